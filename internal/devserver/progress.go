package devserver

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// say writes one line for people.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// tick repeats a line with the elapsed time until stop is called. After stop nothing is written any more.
func tick(w io.Writer, every time.Duration, line string) (stop func()) {
	began := time.Now()
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				say(w, "%s (%s so far)", strings.TrimSuffix(line, " …"), time.Since(began).Round(time.Second))
			}
		}
	})
	return func() {
		close(quit)
		done.Wait()
	}
}
