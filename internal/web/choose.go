package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// choosePage offers several connectors.
type choosePage struct {
	Owner, Query, Popup string
	// Offered are those that match the query; Total is how many there are in all.
	Offered []offer
	Total   int
}

// offer is one connector to choose.
type offer struct {
	ID, Name, Category, Link string
}

// choiceForm is the page of one connector that was chosen: what it wants entered, and what is wrong with it.
type choiceForm struct {
	visit     visit
	connector connector.Connector
	choice    connections.CreateRequest
	// ownApp says that the customer's own OAuth app must be entered, mayOwn that it may be.
	ownApp, mayOwn bool
	// faults are what is wrong with each field, by its name, and fault what is wrong with the whole.
	faults map[string]string
	fault  string
}

// The names of a form's fields.
const (
	connectorField = "connector"
	clientIDField  = "client_id"
	secretField    = "client_secret"
	inputPrefix    = "input_"
)

// showChoice shows the chooser, or the page of what was chosen.
func (s *Server) showChoice(w http.ResponseWriter, r *http.Request, v visit) {
	query := r.URL.Query()
	id := query.Get(connectorField)
	if len(v.session.Connectors) == 1 {
		id = v.session.Connectors[0]
	}
	if id == "" {
		s.showChooser(w, r, v, strings.TrimSpace(query.Get("q")))
		return
	}
	form := choiceForm{visit: v}
	if s.choose(w, r, &form, id) {
		s.showForm(w, r, http.StatusOK, form)
	}
}

// showChooser lists the connectors whose name, id or category has every word of the query.
func (s *Server) showChooser(w http.ResponseWriter, r *http.Request, v visit, query string) {
	if len(query) > maxLabel {
		query = ""
	}
	page := choosePage{Owner: v.session.Owner, Query: query}
	words := strings.Fields(strings.ToLower(query))
	for _, id := range v.session.Connectors {
		conn, err := s.Catalogue.Get(r.Context(), id)
		if err != nil {
			continue // an operator has removed it since
		}
		page.Total++
		text := strings.ToLower(conn.Name + " " + conn.ID + " " + conn.Category)
		if slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) }) {
			continue
		}
		link := url.Values{connectorField: {id}}
		if v.popup {
			link.Set(popupName, popupValue)
		}
		page.Offered = append(page.Offered, offer{ID: id, Name: conn.Name, Category: strings.ReplaceAll(conn.Category, "-", " "), Link: v.self + "?" + link.Encode()})
	}
	if v.popup {
		page.Popup = popupValue
	}
	slices.SortFunc(page.Offered, func(a, b offer) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	s.render(w, http.StatusOK, "choose.html", page)
}

// choose finds out what a connector of the session wants, or answers.
func (s *Server) choose(w http.ResponseWriter, r *http.Request, form *choiceForm, id string) bool {
	if !slices.Contains(form.visit.session.Connectors, id) {
		s.message(w, http.StatusNotFound, messagePage{Kind: "bad", Title: "Not on offer", Text: "This link does not offer that app. Go back, and choose another."})
		return false
	}
	conn, err := s.Catalogue.Get(r.Context(), id)
	if err != nil {
		s.unavailable(w)
		return false
	}
	form.connector = conn
	form.choice.Connector = id
	form.choice.Grant = workflows.GrantClientCredentials
	if conn.Allows(connector.AuthorizationCode) {
		form.choice.Grant = workflows.GrantAuthorizationCode
	}
	has, err := s.Connections.PlatformApp(r.Context(), conn, form.choice.Grant)
	if err != nil {
		s.unavailable(w)
		return false
	}
	form.ownApp = !has
	// Of an app that needs no consent, the credentials are the account.
	form.mayOwn = form.ownApp || form.choice.Grant == workflows.GrantAuthorizationCode
	return true
}

// read takes what was entered, or shows the form again with what is wrong with it.
func (s *Server) read(w http.ResponseWriter, r *http.Request, form *choiceForm) bool {
	id := r.PostForm.Get(connectorField)
	if len(form.visit.session.Connectors) == 1 {
		id = form.visit.session.Connectors[0]
	}
	if !s.choose(w, r, form, id) {
		return false
	}
	form.faults = make(map[string]string)
	entered := make(map[string]string)
	for _, input := range form.connector.Inputs {
		value := strings.TrimSpace(r.PostForm.Get(inputPrefix + input.Name))
		if value == "" {
			value = input.Default
		}
		entered[input.Name] = value
		if _, fits := input.Accept(value); value == "" {
			form.faults[inputPrefix+input.Name] = "Enter the " + lower(input.Label) + "."
		} else if !fits {
			form.faults[inputPrefix+input.Name] = "This must look like “" + input.Example + "”."
		}
	}
	if len(entered) > 0 {
		form.choice.Inputs = entered
	}
	if form.mayOwn {
		form.readApp(r.PostForm)
	}
	if len(form.faults) > 0 {
		s.showForm(w, r, http.StatusUnprocessableEntity, *form)
		return false
	}
	return true
}

// readApp takes the customer's own app.
func (f *choiceForm) readApp(posted url.Values) {
	clientID, text := strings.TrimSpace(posted.Get(clientIDField)), strings.TrimSpace(posted.Get(secretField))
	f.choice.ClientID, f.choice.ClientSecret = clientID, secret.New(text)
	wanted := f.ownApp || clientID != "" || text != ""
	public := f.connector.Token.Auth == connector.AuthNone
	if wanted && clientID == "" {
		f.faults[clientIDField] = "Enter the client ID of your app."
	}
	if wanted && text == "" && !public {
		f.faults[secretField] = "Enter the client secret of your app."
	}
	if text != "" && !oauth.UsableCredential(f.connector, f.choice.ClientSecret) {
		f.faults[secretField] = "This app needs a private key or a certificate with its key, in PEM."
	}
}

// lower begins a label in lower case, unless it is an abbreviation.
func lower(label string) string {
	if len(label) > 1 && label[1] >= 'a' && label[1] <= 'z' {
		return strings.ToLower(label[:1]) + label[1:]
	}
	return label
}

// field is one field of a form, for its template. A secret has no value: it is never shown again.
type field struct {
	Name, Label, Hint, Value, Fault string
	Secret, Long                    bool
}

// showForm shows the page of a connector that was chosen, to press its button or to mend what was entered.
func (s *Server) showForm(w http.ResponseWriter, r *http.Request, status int, form choiceForm) {
	session, conn := form.visit.session, form.connector
	if session.ConnectionID != "" && !session.ConsumedAt.IsZero() {
		if row, err := s.Vault.Connection(r.Context(), session.ConnectionID); err == nil && row.Generation > 0 {
			s.finished(w, r, form.visit)
			return
		}
	}
	page := connectPage{
		Connector: conn.Name, ID: conn.ID, Owner: session.Owner, EndUser: session.EndUser, Action: form.visit.self, Popup: form.visit.popup,
		Chosen: conn.ID, Machine: form.choice.Grant == workflows.GrantClientCredentials, OwnApp: form.ownApp, Fault: form.fault,
		Faults: len(form.faults),
	}
	if len(session.Connectors) > 1 && strings.Contains(form.visit.self, connections.SessionPath) {
		page.Back = form.visit.self
		if form.visit.popup {
			page.Back += "?" + popupName + "=" + popupValue
		}
	}
	for _, input := range conn.Inputs {
		value := form.choice.Inputs[input.Name]
		if value == "" {
			value = input.Default
		}
		name := inputPrefix + input.Name
		page.Fields = append(page.Fields, field{Name: name, Label: input.Label, Hint: "For example " + input.Example, Value: value, Fault: form.faults[name]})
	}
	if form.mayOwn {
		long := conn.Token.Auth == connector.AuthTLS || conn.Token.Auth == connector.AuthPrivateKeyJWT || conn.Token.Certificate
		page.App = []field{
			{Name: clientIDField, Label: "Client ID", Value: form.choice.ClientID, Fault: form.faults[clientIDField]},
			{Name: secretField, Label: "Client secret", Fault: form.faults[secretField], Secret: true, Long: long},
		}
		if !page.Machine {
			page.RedirectURI = oauth.RedirectURI(conn, s.Connections.RedirectURI())
		}
	}
	// Scopes may depend on what is entered; those of the platform's app are known.
	row := vault.Connection{Connector: conn.ID, Grant: string(form.choice.Grant)}
	if integration, err := s.Vault.Integration(r.Context(), connections.PlatformIntegrationID(conn.ID, "")); err == nil || form.ownApp {
		page.Scopes = connections.ConfiguredScopes(conn, integration, row)
	}
	s.render(w, status, "connect.html", page)
}

// showReconnect shows the page of a session for a connection that exists.
func (s *Server) showReconnect(w http.ResponseWriter, r *http.Request, v visit) {
	row, err := s.Vault.Connection(r.Context(), v.session.ConnectionID)
	if err != nil {
		s.lives(w, v.session, err)
		return
	}
	t, ok := s.targetOf(w, r, vault.Link{ConnectionID: row.ID, ExpiresAt: v.session.ExpiresAt})
	if !ok {
		return
	}
	page := s.connectPageOf(r, t)
	page.Action, page.Popup, page.EndUser = v.self, v.popup, v.session.EndUser
	s.render(w, http.StatusOK, "connect.html", page)
}

// mendable reports whether other values in the form may help.
func mendable(code string) bool {
	switch workflows.Reason(code) {
	case workflows.ReasonInvalid, workflows.ReasonIntegrationMissing, workflows.ReasonCredentialUnusable, workflows.ReasonInputsRejected:
		return true
	default:
		return false
	}
}

// plainSentence tells the person what an error of the client's means: its own sentence speaks to operators.
func plainSentence(err *connections.Error, name, platform string) string {
	if err.Code == string(workflows.ReasonIntegrationMissing) {
		return platform + " has no app for " + name + " yet. Enter your own, or ask " + platform + "."
	}
	return name + " cannot be connected with what was entered. Check each field, or ask " + platform + "."
}
