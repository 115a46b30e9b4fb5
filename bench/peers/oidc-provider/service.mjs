// An issuer on oidc-provider, with what an integrator brings: a place to keep things, which is a Map here, and the accounts.
// server.mjs serves it, and seed.mjs makes people for it with its own models.
import Provider from 'oidc-provider';

export const CLIENT = 'bench';
export const SCOPE = 'openid offline_access';

// What the documentation calls an adapter. Nothing ever leaves it: a token that was spent has to be known as spent.
function keeping(store) {
  const granted = new Map();
  const remember = (key, { grantId }) => {
    if (!grantId) return;
    if (!granted.has(grantId)) granted.set(grantId, new Set());
    granted.get(grantId).add(key);
  };
  for (const [key, payload] of store) remember(key, payload);
  return class {
    constructor(model) {
      this.key = (id) => `${model}:${id}`;
    }
    async upsert(id, payload) {
      store.set(this.key(id), payload);
      remember(this.key(id), payload);
    }
    async find(id) {
      return store.get(this.key(id));
    }
    async consume(id) {
      store.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
    }
    async destroy(id) {
      store.delete(this.key(id));
    }
    async revokeByGrantId(grantId) {
      for (const key of granted.get(grantId) ?? []) store.delete(key);
      granted.delete(grantId);
    }
  };
}

export function issuer({ jwk, cookieKey }, store) {
  return new Provider('http://localhost', {
    adapter: keeping(store),
    clients: [
      {
        client_id: CLIENT,
        // An app in somebody's hands, whose refresh tokens are rotated by default too.
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: ['https://app.example/callback'],
        // The quickest of those that are common.
        id_token_signed_response_alg: 'ES256',
      },
    ],
    cookies: { keys: [cookieKey] },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    findAccount: (_, id) => store.has(`account:${id}`) && { accountId: id, claims: () => ({ sub: id }) },
    jwks: { keys: [jwk] },
    rotateRefreshToken: true,
    scopes: SCOPE.split(' '),
    // In seconds; access tokens for longer than a run.
    ttl: { AccessToken: 86_400, Grant: 1_209_600, IdToken: 3_600, RefreshToken: 604_800 },
  });
}
