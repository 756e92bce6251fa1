package sandbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
)

// reply buffers what the engine answers, so that it can be changed, or lost, before it leaves.
type reply struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newReply() *reply { return &reply{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (r *reply) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *reply) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements http.ResponseWriter.
func (r *reply) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// send writes the reply out.
func (r *reply) send(w http.ResponseWriter) {
	r.WriteHeader(http.StatusOK)
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // a failure here is the caller's connection
}

// members returns the JSON object in the body, or nil.
func (r *reply) members() map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(r.body.Bytes(), &m) != nil {
		return nil
	}
	return m
}

// setMembers replaces the body.
func (r *reply) setMembers(m map[string]json.RawMessage) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	r.body.Reset()
	_, err = r.body.Write(b)
	return err
}

// errorCode returns the OAuth error in the body, or "".
func (r *reply) errorCode() string {
	var body struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(r.body.Bytes(), &body) // not JSON: no code
	return body.Error
}

// refuse makes the reply an RFC 6749 §5.2 error.
func (r *reply) refuse(status int, code, description string) {
	r.header.Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		r.header.Set("WWW-Authenticate", `Basic realm="sandbox"`)
	}
	r.status = status
	r.body.Reset()
	_ = json.NewEncoder(&r.body).Encode(struct { // two strings always encode
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{code, description})
}
