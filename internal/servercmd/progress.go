package servercmd

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// progressLine shows how far loading has come: one line that is rewritten on a
// terminal, a log line every few seconds elsewhere.
type progressLine struct {
	w        io.Writer
	terminal bool
	logger   *slog.Logger
	ticker   *time.Ticker
	width    int // of what is on the terminal's line
}

const (
	terminalEvery = 100 * time.Millisecond
	logEvery      = 5 * time.Second
)

func newProgressLine(w io.Writer, terminal bool, logger *slog.Logger) *progressLine {
	every := logEvery
	if terminal {
		every = terminalEvery
	}
	return &progressLine{w: w, terminal: terminal, logger: logger, ticker: time.NewTicker(every)}
}

// tick delivers when show is due, and never again after end.
func (p *progressLine) tick() <-chan time.Time {
	if p.ticker == nil {
		return nil
	}
	return p.ticker.C
}

// show tells that done of total (0: not known) of what is loaded.
func (p *progressLine) show(what string, done, total int64) {
	percent := -1.0
	if total > 0 {
		percent = 100 * float64(min(done, total)) / float64(total)
	}
	if !p.terminal {
		if percent < 0 {
			p.logger.Info("loading", "what", what)
		} else {
			p.logger.Info("loading", "what", what, "percent", int(percent))
		}
		return
	}
	line := "loading " + what
	if percent >= 0 {
		const cells = 30
		bar := make([]byte, cells)
		for i := range bar {
			bar[i] = '.'
			if float64(i) < percent/100*cells {
				bar[i] = '#'
			}
		}
		line = fmt.Sprintf("loading %s [%s] %3.0f %%", what, bar, percent)
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// end takes the line away. It may be called more than once.
func (p *progressLine) end() {
	if p.ticker == nil {
		return
	}
	p.ticker.Stop()
	p.ticker = nil
	if p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}
