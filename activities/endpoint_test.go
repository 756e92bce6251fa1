package activities_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// seen is one request that an endpoint got.
type seen struct {
	method, path string
	// params are those of the query and of the form, together.
	params url.Values
	header http.Header
	// all is the request in one text, to be searched for what must not be in it.
	all string
}

// endpoint is a provider's endpoint that the sandbox does not have: it notes each request, and answers as it is told.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []seen
	answer func(w http.ResponseWriter, req *http.Request)
}

func newEndpoint(t testing.TB, answer func(http.ResponseWriter, *http.Request)) *endpoint {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(e.Close)
	return e
}

// newTLSEndpoint is one that speaks https.
func newTLSEndpoint(t testing.TB, answer func(http.ResponseWriter, *http.Request)) *endpoint {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(e.serve))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	params := req.URL.Query()
	if form, err := url.ParseQuery(string(body)); err == nil {
		for name, list := range form {
			params[name] = append(params[name], list...)
		}
	}
	s := seen{method: req.Method, path: req.URL.Path, params: params, header: req.Header, all: req.RequestURI + "\n" + string(body)}
	for name, list := range req.Header {
		for _, value := range list {
			s.all += "\n" + name + ": " + value
		}
	}
	e.mu.Lock()
	e.seen = append(e.seen, s)
	answer := e.answer
	e.mu.Unlock()
	answer(w, req)
}

// set changes what it answers.
func (e *endpoint) set(answer func(http.ResponseWriter, *http.Request)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// requests returns those that came since it was asked last.
func (e *endpoint) requests() []seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	requests := e.seen
	e.seen = nil
	return requests
}

// says answers with a status and a body.
func says(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// paths of requests, in order.
func paths(requests []seen) []string {
	var list []string
	for _, s := range requests {
		list = append(list, s.path)
	}
	return list
}

// hangsUp ends the connection without an answer.
func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// basic is the client that the request shows, if it shows one.
func (s seen) basic() (id, secret string, ok bool) {
	return (&http.Request{Header: s.header}).BasicAuth()
}
