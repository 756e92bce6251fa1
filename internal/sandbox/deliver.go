package sandbox

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// allowTime lets a fault take longer than the HTTP server gives an answer. (It sets its deadline anew for each request.)
func allowTime(w http.ResponseWriter, f Faults) {
	if f.Delay > 0 || f.Drip > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a writer without deadlines needs none lifted
	}
}

// deliver sends an answer as the faults want it: not at all, in part, slowly, huge, or simply.
func (p *Provider) deliver(w http.ResponseWriter, out *reply, f Faults) {
	if f.LoseReplyBefore || f.LoseReplyAfter {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	if f.Drip == 0 && !f.Truncate && f.PadBytes == 0 {
		out.send(w)
		return
	}
	out.WriteHeader(http.StatusOK)
	maps.Copy(w.Header(), out.header)
	whole := int64(out.body.Len()) + int64(f.PadBytes)
	size := whole
	if f.Truncate {
		size /= 2
	}
	if f.Truncate || (f.PadBytes == 0 && whole > 0) { // one of 0 would end the answer before its drip
		w.Header().Set("Content-Length", strconv.FormatInt(whole, 10))
	}
	w.WriteHeader(out.status)
	body := io.LimitReader(io.MultiReader(&out.body, spaces{}), size)
	if f.Drip > 0 {
		p.drip(w, body, size, f.Drip)
	} else {
		_, _ = io.Copy(w, body) // a failure here is the caller's connection
	}
	if f.Truncate {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// drip sends size bytes over a time, in pieces that are at least a millisecond apart. It ends early with the caller's
// connection, and hurries when the server closes.
func (p *Provider) drip(w http.ResponseWriter, body io.Reader, size int64, over time.Duration) {
	flush := http.NewResponseController(w).Flush
	_ = flush() // the headers
	pieces := max(1, min(size, over.Milliseconds()))
	for piece := range pieces {
		p.wait(over / time.Duration(pieces))
		n := size*(piece+1)/pieces - size*piece/pieces
		if _, err := io.CopyN(w, body, n); err != nil {
			return
		}
		_ = flush() // a failure shows in the next write
	}
}

// spaces is an endless run of spaces.
type spaces struct{}

// Read implements io.Reader.
func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
