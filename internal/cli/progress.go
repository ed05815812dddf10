package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// statusLine is one line at the bottom of a terminal that is written over
// again and again. On anything but a terminal it shows nothing.
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer
	on    bool
	width func() int
	shown bool // guarded by mu: there is something to wipe
}

func (a *app) statusLine() *statusLine {
	return &statusLine{w: a.env.Err, on: a.env.ErrTerminal && !a.json, width: a.env.Width}
}

func (l *statusLine) show(text string) {
	if !l.on {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.width(); w > 1 && utf8.RuneCountInString(text) > w-1 {
		text = string([]rune(text)[:w-1])
	}
	fmt.Fprintf(l.w, "\r\x1b[K%s", text)
	l.shown = true
}

// println writes a line that stays, above the status.
func (l *statusLine) println(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
	fmt.Fprintln(l.w, text)
}

func (l *statusLine) wipe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
}

// bar draws how far something is: 0 ≤ share ≤ 1.
func bar(share float64) string {
	const width = 24
	share = min(max(share, 0), 1)
	eighths := int(share * width * 8)
	full, rest := eighths/8, eighths%8
	b := strings.Repeat("█", full)
	if rest > 0 {
		b += string([]rune("▏▎▍▌▋▊▉")[rest-1])
		full++
	}
	return b + strings.Repeat("░", width-full)
}

// withoutBar takes the bar from the front of a status line.
func withoutBar(text string) string { return strings.TrimLeft(text, "█▏▎▍▌▋▊▉░ ") }

// progressText is a status line: a bar with a share and the time left where
// the end is known, and always a count with its rate.
func progressText(what string, done int64, share float64, known bool, elapsed time.Duration) string {
	rate := float64(done) / max(elapsed.Seconds(), 0.001)
	text := fmt.Sprintf("%s %s, %s/s", thousands(done), what, thousands(int64(rate)))
	if !known {
		return text
	}
	left := ""
	if share > 0.005 && share < 1 {
		remaining := time.Duration(float64(elapsed) * (1 - share) / share)
		left = ", " + span(remaining.Round(time.Second)) + " left"
	}
	return fmt.Sprintf("%s %3.0f %%  %s%s", bar(share), share*100, text, left)
}

// every calls show in short intervals until the returned function is called,
// which shows once more.
func every(interval time.Duration, show func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
