package activities_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// inRealm is a connector with an input that its token URL shows.
func inRealm(c *connector.Connector) {
	c.Inputs = []connector.Input{{Name: "realm", Label: "realm", Example: "eu", Pattern: `^[a-z]{2}$`}}
	c.Token.URL += "?realm={realm}"
}

// requireNothingSent calls each activity that talks to the provider, and wants each to refuse.
func (r *rig) requireNothingSent(in workflows.ExchangeInput, want workflows.Reason) {
	r.t.Helper()
	var sent []string
	r.gate.set(func(_ http.ResponseWriter, req *http.Request) bool {
		sent = append(sent, req.URL.Path)
		return false
	})
	_, err := r.Refresh(r.t.Context(), r.renew(1))
	r.requireReason(err, want)
	_, err = r.Revoke(r.t.Context(), workflows.RevokeInput{ID: r.id})
	r.requireReason(err, want)
	_, err = r.ClientCredentials(r.t.Context(), r.renew(1))
	r.requireReason(err, want)
	_, err = r.Exchange(r.t.Context(), in)
	r.requireReason(err, want)
	require.Empty(r.t, sent)
	require.Equal(r.t, vault.BeginStarted, r.lastAttempt(false).Outcome)
	r.gate.set(nil)
}

// TestResolve_InputsThatDoNotFit any more: the connector has changed since they were entered.
func TestResolve_InputsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*connector.Connector){
		"another pattern": func(c *connector.Connector) { c.Inputs[0].Pattern, c.Inputs[0].Example = `^[A-Z]{3}$`, "EUR" },
		"another name": func(c *connector.Connector) {
			c.Inputs[0].Name = "region"
			c.Token.URL = strings.ReplaceAll(c.Token.URL, "{realm}", "{region}")
		},
		"one more": func(c *connector.Connector) {
			c.Inputs = append(c.Inputs, connector.Input{Name: "shop", Label: "shop", Example: "x", Pattern: "^x$"})
			c.Token.URL += "&shop={shop}"
		},
		"none any more": func(c *connector.Connector) {
			c.Inputs = nil
			c.Token.URL = strings.ReplaceAll(c.Token.URL, "{realm}", "eu")
		},
		"now part of a host": func(c *connector.Connector) {
			c.Inputs[0].Pattern, c.Inputs[0].Example = `^[a-z.]+$`, "eu.sandbox.example"
			c.Token.URL, c.Hosts = "https://{realm}/token", []string{"sandbox.example"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, inRealm)
			r.create(func(c *vault.Connection) { c.Inputs = map[string]string{"realm": "eu"} })
			_, err := r.Exchange(t.Context(), r.consent("req_1"))
			require.NoError(t, err)
			in := r.consent("req_2")

			mended := r.Activities
			r.Activities = r.instance(r.changed(change))
			r.requireNothingSent(in, workflows.ReasonInputsRejected)
			r.Activities = mended
			_, err = r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
		})
	}
}

// TestResolve_InputsThatTheCallbackSet are held to the same rules.
func TestResolve_InputsThatTheCallbackSet(t *testing.T) {
	t.Parallel()
	r := newRig(t, inRealm)
	r.create(func(c *vault.Connection) { c.Inputs = map[string]string{"realm": "eu"} })
	for i, value := range []string{"eu/../x", "EVIL", "", "e\nu"} {
		in := r.consent("req_"+string(rune('a'+i)), func(c *vault.Consumption) { c.Inputs = map[string]string{"realm": value} })
		_, err := r.Exchange(t.Context(), in)
		r.requireReason(err, workflows.ReasonInputsRejected)
	}
	in := r.consent("req_z", func(c *vault.Consumption) { c.Inputs = map[string]string{"other": "eu"} })
	_, err := r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonInputsRejected)
	require.Zero(t, r.calls("authorization_code"))
}

// TestResolve_SecretsStayWithTheirConnector: neither a mistake in a row nor a changed connector takes one elsewhere.
func TestResolve_SecretsStayWithTheirConnector(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig){
		"app of another connector": func(r *rig) {
			sealed, err := r.keys.Vault.SealString(keyring.ClientSecret("other"), secret.New(canary))
			require.NoError(r.t, err)
			require.NoError(r.t, r.vault.PutIntegration(r.t.Context(), vault.Integration{
				ID: "other", Connector: "another", ClientID: "x", Secrets: [][]byte{sealed},
			}))
			require.NoError(r.t, r.vault.SetIntegration(r.t.Context(), r.id, "other"))
		},
		"customers' own apps only": func(r *rig) {
			r.Activities = r.instance(r.changed(func(c *connector.Connector) { c.App = connector.AppCustomer }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.connect()
			in := r.consent("req_2")
			change(r)
			r.requireNothingSent(in, workflows.ReasonIntegrationMissing)
		})
	}
	t.Run("the customer's own is taken", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(c *connector.Connector) { c.App = connector.AppCustomer })
		r.create()
		app, err := r.vault.Integration(t.Context(), r.row().IntegrationID)
		require.NoError(t, err)
		app.Owner = "acme"
		require.NoError(t, r.vault.PutIntegration(t.Context(), app))
		_, err = r.Exchange(t.Context(), r.consent("req_1"))
		require.NoError(t, err)
	})
}
