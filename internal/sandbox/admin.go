package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
)

// setFaults is POST /_faults: Faults as JSON, or an array of them, with durations as text ("1.5s"). {} ends all faults.
func (p *Provider) setFaults(w http.ResponseWriter, r *http.Request) {
	text, ok := readJSON(w, r)
	if !ok {
		return
	}
	faults := make([]Faults, 1)
	target := any(&faults[0])
	if bytes.HasPrefix(text, []byte("[")) {
		target = &faults
	}
	err := json.Unmarshal(text, target)
	if err == nil {
		err = p.SetFaults(faults...)
	}
	if err != nil {
		adminError(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// showFaults is GET /_faults: an array of what is left of them.
func (p *Provider) showFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, p.Faults())
}

// setBehaviour is POST /_behaviour: Behaviour as JSON, with durations as text. What is not named goes back to its
// default. The answer is the behaviour in force.
func (p *Provider) setBehaviour(w http.ResponseWriter, r *http.Request) {
	text, ok := readJSON(w, r)
	if !ok {
		return
	}
	var b Behaviour
	if err := json.Unmarshal(text, &b); err != nil {
		adminError(w, http.StatusBadRequest, err)
		return
	}
	if err := b.check(); err != nil {
		adminError(w, http.StatusBadRequest, err)
		return
	}
	if err := p.SetBehaviour(r.Context(), b); err != nil {
		p.adminFailed(w, err)
		return
	}
	p.showBehaviour(w, r)
}

// showBehaviour is GET /_behaviour.
func (p *Provider) showBehaviour(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, p.Behaviour())
}

// showPresentations is GET /_presentations: an array of Presentation, oldest first.
func (p *Provider) showPresentations(w http.ResponseWriter, r *http.Request) {
	list, err := p.Presentations(r.Context())
	if err != nil {
		p.adminFailed(w, err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

// showStats is GET /_stats.
func (p *Provider) showStats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, p.Stats())
}

// readJSON returns the body of an admin request, or answers what is wrong with it.
// It insists on JSON, which a web page of another origin cannot send without asking first.
func readJSON(w http.ResponseWriter, r *http.Request) (text []byte, ok bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		adminError(w, http.StatusUnsupportedMediaType, errors.New("send Content-Type: application/json"))
		return nil, false
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		adminError(w, http.StatusBadRequest, errors.New("the body cannot be read, or is over 64 kB"))
		return nil, false
	}
	return bytes.TrimSpace(text), true
}

func (p *Provider) adminFailed(w http.ResponseWriter, err error) {
	p.log.Error("sandbox: internal error", slog.Any("error", err))
	adminError(w, http.StatusInternalServerError, errors.New("the sandbox failed; its log says why"))
}

func adminError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": strings.TrimPrefix(err.Error(), "sandbox: ")})
}
