package workflows

// Reason says why a connection is in its status, why an attempt failed, or why a call was refused: a code for
// machines from one closed table. It is also the type of every application error of this module.
type Reason string

// Class sorts failures by who can mend them.
type Class string

// The classes of failure.
const (
	// ClassTransient passes by itself: back off and try again.
	ClassTransient Class = "transient"
	// ClassInDoubt means that the provider may have acted, but its answer was lost.
	ClassInDoubt Class = "in_doubt"
	// ClassConfiguration is a fault of the OAuth app: its owner mends it, for all its connections at once.
	ClassConfiguration Class = "configuration"
	// ClassReauthorize means that only a person's new consent helps.
	ClassReauthorize Class = "reauthorize"
	// ClassPermanent means that this request will never succeed.
	ClassPermanent Class = "permanent"
)

// The closed table of reasons.
const (
	ReasonNone Reason = ""

	// Why a connection waits or ended.
	ReasonAwaitingConsent   Reason = "awaiting_consent"
	ReasonConsentDenied     Reason = "consent_denied"
	ReasonConsentFailed     Reason = "consent_failed"
	ReasonConsentExpired    Reason = "consent_expired"
	ReasonPausedByRequest   Reason = "paused_by_request"
	ReasonDisconnectRequest Reason = "disconnect_requested"
	ReasonRevocationFailed  Reason = "revocation_failed"

	// What an active connection warns of: its grant ends, whatever is done.
	ReasonGrantEndsInAMonth Reason = "grant_ends_within_a_month"
	ReasonGrantEndsInAWeek  Reason = "grant_ends_within_a_week"
	ReasonGrantEndsInADay   Reason = "grant_ends_within_a_day"

	// Failures at the provider.
	ReasonProviderUnavailable Reason = "provider_unavailable"
	ReasonProviderThrottled   Reason = "provider_throttled"
	ReasonReplyLost           Reason = "reply_lost"
	ReasonReplyUnreadable     Reason = "reply_unreadable"
	ReasonReplyUnknown        Reason = "reply_unknown"
	ReasonClientRejected      Reason = "client_rejected"
	ReasonAppMisconfigured    Reason = "app_misconfigured"
	ReasonScopeRejected       Reason = "scope_rejected"
	ReasonEndpointWrong       Reason = "endpoint_wrong"
	ReasonGrantRejected       Reason = "grant_rejected"
	ReasonRotationLost        Reason = "rotation_lost"
	ReasonTokensLost          Reason = "tokens_lost"
	ReasonInteractionRequired Reason = "interaction_required"
	ReasonNoRefreshToken      Reason = "no_refresh_token"
	ReasonCodeRejected        Reason = "code_rejected"
	ReasonExchangeLost        Reason = "exchange_lost"
	ReasonIssuerMismatch      Reason = "issuer_mismatch"
	ReasonRefusalUnconfirmed  Reason = "refusal_unconfirmed"
	ReasonAccountMismatch     Reason = "account_mismatch"
	ReasonAccountUnconfirmed  Reason = "account_unconfirmed"

	// Failures of our own parts.
	ReasonVaultUnavailable   Reason = "vault_unavailable"
	ReasonKeyMissing         Reason = "key_missing"
	ReasonIntegrationMissing Reason = "integration_missing"
	ReasonConnectorMissing   Reason = "connector_missing"
	ReasonCredentialUnusable Reason = "credential_unusable"
	ReasonInputsRejected     Reason = "inputs_rejected"
	ReasonAttemptInFlight    Reason = "attempt_in_flight"
	ReasonSuperseded         Reason = "superseded"
	ReasonSuspended          Reason = "integration_suspended"
	ReasonQueued             Reason = "queued"
	ReasonUnanswered         Reason = "unanswered"
	ReasonInternal           Reason = "internal"

	// What becomes of the delivery of an event.
	ReasonWebhookUnreachable Reason = "webhook_unreachable"
	ReasonWebhookRefused     Reason = "webhook_refused"
	ReasonWebhookForbidden   Reason = "webhook_forbidden"
	ReasonWebhookQueued      Reason = "webhook_queued"
	ReasonWebhookGone        Reason = "webhook_gone"
	ReasonWebhookDisabled    Reason = "webhook_disabled"
	ReasonWebhookGivenUp     Reason = "webhook_given_up"

	// Refusals to callers.
	ReasonNotFound      Reason = "not_found"
	ReasonNotReady      Reason = "not_ready"
	ReasonPaused        Reason = "paused"
	ReasonDisconnected  Reason = "disconnected"
	ReasonInvalid       Reason = "invalid_request"
	ReasonNotApplicable Reason = "not_applicable"

	// Refusals that a caller's own process gives (package activities): no connection's status has one of these.
	ReasonTemporalUnavailable Reason = "temporal_unavailable"
	ReasonTimeout             Reason = "timeout"
	ReasonClosed              Reason = "closed"
	ReasonInsufficientScope   Reason = "insufficient_scope"
)

type reasonFacts struct {
	class    Class
	sentence string
}

// reasonTable is the closed table: the class of each reason and the sentence that tells a person what to do.
func reasonTable() map[Reason]reasonFacts {
	return map[Reason]reasonFacts{
		ReasonNone:              {"", ""},
		ReasonAwaitingConsent:   {"", "Waiting for consent: open the connect link."},
		ReasonConsentDenied:     {ClassPermanent, "Consent was refused at the provider. Open a new connect link to try again."},
		ReasonConsentFailed:     {ClassPermanent, "The provider reported an error instead of asking for consent. Open a new connect link to try again."},
		ReasonConsentExpired:    {ClassPermanent, "Nobody consented in time. Make a new connect link with \"reconnect\"."},
		ReasonPausedByRequest:   {"", "Paused on request: no token is refreshed or handed out until \"resume\"."},
		ReasonDisconnectRequest: {"", "Disconnecting on request: the provider is being asked to revoke the tokens."},
		ReasonRevocationFailed:  {"", "Disconnected, but the provider never confirmed the revocation. Remove the app's access in the provider's own settings."},

		ReasonGrantEndsInAMonth: {"", "Connected, but the provider ends this grant within 30 days. Ask the person to reconnect before."},
		ReasonGrantEndsInAWeek:  {"", "Connected, but the provider ends this grant within 7 days. Ask the person to reconnect before."},
		ReasonGrantEndsInADay:   {"", "Connected, but the provider ends this grant within a day. Ask the person to reconnect now."},

		ReasonProviderUnavailable: {ClassTransient, "The provider cannot be reached or answers with errors. It is retried; nothing needs doing."},
		ReasonProviderThrottled:   {ClassTransient, "The provider limits the rate of requests. It is retried later; nothing needs doing."},
		ReasonReplyLost:           {ClassInDoubt, "The provider's answer was lost on the way. The token in hand stays in use; a late retry will settle it."},
		ReasonReplyUnreadable:     {ClassInDoubt, "The provider answered with something that is not a token reply. The token in hand stays in use; a late retry will settle it."},
		ReasonReplyUnknown:        {ClassTransient, "The provider refused with an error that is not understood. It is retried; look at the stored reply if it lasts."},
		ReasonClientRejected:      {ClassConfiguration, "The provider rejects the OAuth app's client id or secret. Correct the integration; no user needs to reconnect."},
		ReasonAppMisconfigured:    {ClassConfiguration, "The provider refuses the OAuth app this request. Check the app's grants and settings at the provider."},
		ReasonScopeRejected:       {ClassConfiguration, "The provider refuses the scopes asked for. Compare the integration's scopes with those of the OAuth app."},
		ReasonEndpointWrong:       {ClassConfiguration, "The provider's token endpoint is not where the connector says. Correct the connector's URLs."},
		ReasonGrantRejected:       {ClassReauthorize, "The provider no longer accepts this connection's grant (revoked, expired or replaced). The person must reconnect."},
		ReasonRotationLost:        {ClassReauthorize, "A rotated refresh token was lost with the provider's answer, and the old one is refused. The person must reconnect."},
		ReasonTokensLost:          {ClassReauthorize, "The vault was restored to a moment before this connection had a token, and what came after is lost. The person must reconnect."},
		ReasonInteractionRequired: {ClassReauthorize, "The provider wants the person to sign in or consent again. The person must reconnect."},
		ReasonNoRefreshToken:      {ClassReauthorize, "The provider gave no refresh token, so the token cannot be renewed. Ask for offline access, or reconnect."},
		ReasonCodeRejected:        {ClassPermanent, "The provider refused the authorization code (spent, late, or made for another request). Open a new connect link."},
		ReasonExchangeLost:        {ClassPermanent, "The provider failed while the authorization code was being exchanged, and a code works once only. Open a new connect link."},
		ReasonRefusalUnconfirmed:  {ClassTransient, "The provider refuses many connections of this OAuth app at once, which looks like a fault of its own. It is asked again in an hour before anyone is asked to reconnect."},
		ReasonIssuerMismatch:      {ClassPermanent, "The answer came from another authorization server than the one asked. Open a new connect link."},
		ReasonAccountMismatch:     {ClassPermanent, "The consent came from another account than the one connected. Sign in at the provider with the account shown, or make a new connection."},
		ReasonAccountUnconfirmed:  {ClassPermanent, "The provider did not say which account the consent came from, so it was not used. Open a new connect link to try again, or allow any account with \"reconnect --allow-account-change\"."},

		ReasonVaultUnavailable:   {ClassTransient, "The vault cannot be reached. It is retried; check the database."},
		ReasonKeyMissing:         {ClassTransient, "A stored secret cannot be opened with the keyset in use. Give the worker the keyset that sealed it."},
		ReasonIntegrationMissing: {ClassConfiguration, "The integration of this connection has no client id or secret. Set it with \"starter integrations set\"."},
		ReasonConnectorMissing:   {ClassConfiguration, "The connector of this connection is not in this worker's catalogue. Add it, or run the worker that has it."},
		ReasonCredentialUnusable: {ClassConfiguration, "The integration's secret is not what its connector needs: a private key, or a certificate with its key, in PEM. Set it with \"starter integrations set\"."},
		ReasonInputsRejected:     {ClassConfiguration, "What was entered for this connection (such as its host) does not fit the connector any more. Correct the connector, or make a new connection."},
		ReasonAttemptInFlight:    {ClassTransient, "Another attempt for this connection is under way. Its outcome is awaited."},
		ReasonSuperseded:         {ClassTransient, "This attempt was overtaken by a newer one and stopped before it reached the provider."},
		ReasonSuspended:          {ClassTransient, "Many connections of this integration fail alike, so the provider is only probed until one succeeds. No user needs to reconnect."},
		ReasonQueued:             {ClassTransient, "The provider's token endpoint is being asked as often as is good for it. It is this connection's turn soon."},
		ReasonUnanswered:         {ClassTransient, "There was no answer in time. Check that a worker of Connections is running; what was asked can be asked again."},
		ReasonInternal:           {ClassTransient, "Something unexpected went wrong inside the worker. Its log has the details."},

		ReasonWebhookUnreachable: {ClassTransient, "The webhook's receiver cannot be reached, or does not answer within ten seconds. It is tried again for three days."},
		ReasonWebhookRefused:     {ClassTransient, "The webhook's receiver answers with another status than 2xx. It is tried again for three days; redirects are not followed."},
		ReasonWebhookForbidden:   {ClassTransient, "The webhook's host is not at a public address, so nothing is sent to it. Give the endpoint a host on the internet."},
		ReasonWebhookQueued:      {ClassTransient, "As many webhooks are under way as is good for the receiver. It is this one's turn soon."},
		ReasonWebhookGone:        {ClassPermanent, "The webhook's receiver says that it is gone for good (410), so its endpoint is disabled. Remove it, and add another one."},
		ReasonWebhookDisabled:    {ClassPermanent, "The webhook's endpoint is disabled, so nothing is sent to it. Remove it, and add another one."},
		ReasonWebhookGivenUp:     {ClassPermanent, "The webhook's receiver did not take the event in three days. Mend it, and send the event again with \"starter events redeliver\"."},

		ReasonNotFound:      {ClassPermanent, "There is no such connection."},
		ReasonNotReady:      {ClassPermanent, "The connection has no token yet: consent has not been given."},
		ReasonPaused:        {ClassPermanent, "The connection is paused. Resume it first."},
		ReasonDisconnected:  {ClassPermanent, "The connection is disconnected."},
		ReasonInvalid:       {ClassPermanent, "The request is malformed."},
		ReasonNotApplicable: {ClassPermanent, "The request does not apply to the connection in its present status."},

		ReasonTemporalUnavailable: {ClassTransient, "The token has expired, and Temporal, which renews it, cannot be reached. It is worth trying again; check the Temporal server and TEMPORAL_ADDRESS."},
		ReasonTimeout:             {ClassTransient, "A newer token did not come in the time allowed. It is worth trying again; check that a worker runs on task queue \"" + TaskQueue + "\"."},
		ReasonClosed:              {ClassPermanent, "The tokens of this process are closed. Open them for as long as the process runs."},
		ReasonInsufficientScope:   {ClassReauthorize, "The API wants scopes that the connection was not granted. Ask for them with a reconnect."},
	}
}

// Reasons lists the closed table in no particular order.
func Reasons() []Reason {
	table := reasonTable()
	all := make([]Reason, 0, len(table))
	for reason := range table { //workflowcheck:ignore the order is the caller's concern, and no workflow calls this
		all = append(all, reason)
	}
	return all
}

// Known reports whether r is in the closed table.
func (r Reason) Known() bool {
	_, ok := reasonTable()[r]
	return ok
}

// Class sorts r; unknown reasons are transient, so that a surprise never costs a user's consent.
func (r Reason) Class() Class {
	if facts, ok := reasonTable()[r]; ok {
		return facts.class
	}
	return ClassTransient
}

// Sentence says in one sentence what r means and what to do.
func (r Reason) Sentence() string {
	if facts, ok := reasonTable()[r]; ok {
		return facts.sentence
	}
	return reasonTable()[ReasonInternal].sentence
}
