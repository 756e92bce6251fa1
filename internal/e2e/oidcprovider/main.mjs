// A real authorization server for the tests: oidc-provider on a loopback port of its own, until standard input ends.
// Standard output has one JSON object a line: first {"event":"ready"}, then what happens at the token endpoint. Each
// line of standard input replaces some of the settings, and is answered with {"event":"settings"}.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { Provider } from 'oidc-provider'
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js'

const settings = { clients: [], accessTokenTTL: 60 }
const tell = (event, facts) => process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`)

// Clients are looked up each time, so that a secret can be changed under way.
class Clients extends MemoryAdapter {
  async find(id) {
    return settings.clients.find((client) => client.client_id === id)
  }
}

// How the client of a request has authenticated.
const proof = ({ headers, oidc: { params } }) =>
  headers.authorization ? 'client_secret_basic' : params?.client_assertion ? 'private_key_jwt' : params?.client_secret ? 'client_secret_post' : 'none'

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    adapter: (name) => (name === 'Client' ? new Clients(name) : new MemoryAdapter(name)),
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    pkce: { methods: ['S256'], required: () => true },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: () => settings.accessTokenTTL,
      AuthorizationCode: 60,
      ClientCredentials: () => settings.accessTokenTTL,
      Grant: 86400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86400,
      Session: 86400,
    },
  })
  provider.on('grant.success', (ctx) => tell('issued', { grant: ctx.oidc.params.grant_type, client: ctx.oidc.client.clientId, auth: proof(ctx) }))
  provider.on('grant.error', (ctx, error) => tell('refused', { grant: ctx.oidc.params?.grant_type, error: error.error, detail: error.error_detail ?? error.error_description }))
  provider.on('grant.revoked', () => tell('revoked'))
  provider.on('server_error', (ctx, error) => tell('failed', { detail: error.stack }))
  server.on('request', provider.callback())

  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => {
    Object.assign(settings, JSON.parse(line))
    tell('settings')
  })
  input.on('close', () => process.exit())
  tell('ready', { issuer })
})
