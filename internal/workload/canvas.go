package workload

import (
	"bytes"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// canvas is what a plot is drawn on. Coordinates are in pixels of a drawing
// of plotWidth × plotHeight, y downwards; colours are "#rrggbb".
type canvas interface {
	rect(x, y, w, h float64, fill string)
	// path draws through points; dashed draws with gaps.
	path(points [][2]float64, stroke string, width float64, dashed bool)
	// text draws s with its baseline at y. anchor says which part of s is at x.
	text(x, y float64, s string, size float64, anchor anchor, fill string, bold bool)
}

type anchor string

const (
	anchorStart  anchor = "start"
	anchorMiddle anchor = "middle"
	anchorEnd    anchor = "end"
)

// svgCanvas writes the drawing as SVG.
type svgCanvas struct{ bytes.Buffer }

func newSVGCanvas(width, height int) *svgCanvas {
	c := &svgCanvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif">`+"\n", width, height)
	return c
}

func (c *svgCanvas) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(c, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", px(x), px(y), px(w), px(h), fill)
}

func (c *svgCanvas) path(points [][2]float64, stroke string, width float64, dashed bool) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(c, `<path fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"`, stroke, px(width))
	if dashed {
		c.WriteString(` stroke-dasharray="2 3"`)
	}
	c.WriteString(` d="`)
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		c.WriteString(command + px(p[0]) + " " + px(p[1]))
	}
	c.WriteString(`"/>` + "\n")
}

func (c *svgCanvas) text(x, y float64, s string, size float64, a anchor, fill string, bold bool) {
	weight := ""
	if bold {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(c, `<text x="%s" y="%s" font-size="%s" text-anchor="%s" fill="%s"%s>%s</text>`+"\n",
		px(x), px(y), px(size), a, fill, weight, html.EscapeString(s))
}

func (c *svgCanvas) writeTo(w io.Writer) error {
	c.WriteString("</svg>\n")
	_, err := w.Write(c.Bytes())
	return err
}

// px formats a coordinate with one decimal at most.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// pngCanvas paints the drawing, enlarged by scale for sharp screens.
type pngCanvas struct {
	img           *image.RGBA
	scale         float64
	regular, bold *opentype.Font
}

func newPNGCanvas(width, height int) (*pngCanvas, error) {
	const scale = 2
	c := &pngCanvas{img: image.NewRGBA(image.Rect(0, 0, width*scale, height*scale)), scale: scale}
	var err error
	if c.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return nil, err
	}
	c.bold, err = opentype.Parse(gobold.TTF)
	return c, err
}

func (c *pngCanvas) writeTo(w io.Writer) error { return png.Encode(w, c.img) }

func (c *pngCanvas) rect(x, y, w, h float64, fill string) {
	c.fill([][2]float64{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, fill)
}

// fill paints a polygon.
func (c *pngCanvas) fill(corners [][2]float64, fill string) {
	r := vector.NewRasterizer(c.img.Rect.Dx(), c.img.Rect.Dy())
	c.outline(r, corners)
	r.Draw(c.img, c.img.Bounds(), image.NewUniform(parseColor(fill)), image.Point{})
}

func (c *pngCanvas) outline(r *vector.Rasterizer, corners [][2]float64) {
	for i, p := range corners {
		x, y := float32(p[0]*c.scale), float32(p[1]*c.scale)
		if i == 0 {
			r.MoveTo(x, y)
		} else {
			r.LineTo(x, y)
		}
	}
	r.ClosePath()
}

// path paints each piece as a thin rectangle. Pieces of one path go into one
// rasterizer, so that where they overlap nothing is painted twice.
func (c *pngCanvas) path(points [][2]float64, stroke string, width float64, dashed bool) {
	r := vector.NewRasterizer(c.img.Rect.Dx(), c.img.Rect.Dy())
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		dx, dy := b[0]-a[0], b[1]-a[1]
		length := math.Hypot(dx, dy)
		if length == 0 {
			continue
		}
		dx, dy = dx/length, dy/length
		piece, gap := length, 0.0
		if dashed {
			piece, gap = 2, 3
		}
		for from := 0.0; from < length; from += piece + gap {
			to := min(from+piece, length)
			if !dashed { // round the joins a little
				from, to = -width/4, length+width/4
			}
			nx, ny := -dy*width/2, dx*width/2
			x1, y1, x2, y2 := a[0]+dx*from, a[1]+dy*from, a[0]+dx*to, a[1]+dy*to
			c.outline(r, [][2]float64{{x1 + nx, y1 + ny}, {x2 + nx, y2 + ny}, {x2 - nx, y2 - ny}, {x1 - nx, y1 - ny}})
			if !dashed {
				break
			}
		}
	}
	r.Draw(c.img, c.img.Bounds(), image.NewUniform(parseColor(stroke)), image.Point{})
}

func (c *pngCanvas) text(x, y float64, s string, size float64, a anchor, fill string, bold bool) {
	typeface := c.regular
	if bold {
		typeface = c.bold
	}
	face, err := opentype.NewFace(typeface, &opentype.FaceOptions{Size: size * c.scale, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return // only for a size that is not a number: ours are constants
	}
	d := font.Drawer{Dst: c.img, Src: image.NewUniform(parseColor(fill)), Face: face}
	at := fixed.Int26_6(x * c.scale * 64)
	switch a {
	case anchorMiddle:
		at -= d.MeasureString(s) / 2
	case anchorEnd:
		at -= d.MeasureString(s)
	}
	d.Dot = fixed.Point26_6{X: at, Y: fixed.Int26_6(y * c.scale * 64)}
	d.DrawString(s)
}

// parseColor reads "#rrggbb".
func parseColor(s string) color.RGBA {
	v, _ := strconv.ParseUint(s[1:], 16, 32) // ours are constants
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}
