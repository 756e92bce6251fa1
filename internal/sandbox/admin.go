package sandbox

import (
	"encoding/json"
	"mime"
	"net/http"
	"time"
)

// adminFaults is POST /_faults: Faults as JSON, with delay as a Go duration ("1.5s"). {} ends all faults.
// It insists on JSON, which a web page of another origin cannot send without asking first.
func (p *Provider) adminFaults(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		adminError(w, http.StatusUnsupportedMediaType, "send application/json")
		return
	}
	var in struct {
		Faults
		Delay string `json:"delay"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		adminError(w, http.StatusBadRequest, err.Error())
		return
	}
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil {
			adminError(w, http.StatusBadRequest, err.Error())
			return
		}
		in.Faults.Delay = d
	}
	if err := p.SetFaults(in.Faults); err != nil {
		adminError(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func adminError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"error": message})
}
