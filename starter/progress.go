package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// progress shows how far a long work has come: as a bar on a terminal, as a line now and then elsewhere.
type progress struct {
	out      io.Writer
	read     func() int64
	size     int64
	terminal bool
	every    time.Duration

	mu     sync.Mutex
	began  time.Time
	drawn  time.Time
	length int
}

// newProgress makes one of a work that reads so many bytes; size is 0 if nobody knows how many.
func newProgress(out io.Writer, read func() int64, size int64) *progress {
	p := &progress{out: out, read: read, size: size, every: 5 * time.Second, began: time.Now(), drawn: time.Now()}
	if file, ok := out.(*os.File); ok && (isatty.IsTerminal(file.Fd()) || isatty.IsCygwinTerminal(file.Fd())) {
		p.terminal, p.every = true, 100*time.Millisecond
	}
	return p
}

// tell says how many records are done, and how many of them have failed.
func (p *progress) tell(records, failed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.drawn) < p.every {
		return
	}
	p.drawn = now
	line := p.line(records, failed, now.Sub(p.began))
	if !p.terminal {
		_, _ = fmt.Fprintln(p.out, line)
		return
	}
	p.draw(line)
}

// draw writes over the line before.
func (p *progress) draw(line string) {
	blank := max(p.length-len([]rune(line)), 0)
	_, _ = fmt.Fprint(p.out, "\r"+line+strings.Repeat(" ", blank))
	p.length = len([]rune(line))
}

func (p *progress) line(records, failed int64, took time.Duration) string {
	var line strings.Builder
	share := p.share()
	if share >= 0 && p.terminal {
		const width = 24
		full := int(share * width)
		_, _ = fmt.Fprintf(&line, "[%s%s] ", strings.Repeat("#", full), strings.Repeat(".", width-full))
	}
	if share >= 0 {
		_, _ = fmt.Fprintf(&line, "%3.0f %%  ", share*100)
	}
	_, _ = fmt.Fprintf(&line, "%d records, %d failed, %.0f/s", records, failed, float64(records)/max(took.Seconds(), 0.001))
	if share > 0 && share < 1 {
		left := time.Duration(float64(took) * (1 - share) / share)
		_, _ = fmt.Fprintf(&line, ", %s left", left.Round(time.Second))
	}
	return line.String()
}

// share is how much of the source is read, of which little is yet to be done; -1 if nobody knows.
func (p *progress) share() float64 {
	if p.size <= 0 {
		return -1
	}
	return min(float64(p.read())/float64(p.size), 1)
}

// done takes the bar away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.length > 0 {
		_, _ = fmt.Fprint(p.out, "\r"+strings.Repeat(" ", p.length)+"\r")
	}
}
