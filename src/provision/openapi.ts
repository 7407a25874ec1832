// The CA's HTTP API for whoever writes another client: OpenAPI 3.1. A test holds it against the routes.

const problem = {
  'application/problem+json': {
    schema: {
      type: 'object',
      properties: {
        title: { type: 'string', description: 'What became of it, one of a closed list.' },
        status: { type: 'integer' },
        rules: { type: 'array', items: { type: 'string' }, description: 'The rules that were broken, by name.' },
        detail: { type: 'string' },
      },
      required: ['title', 'status'],
    },
  },
} as const

const refused = (description: string) => ({ description, content: problem })
const hex = { type: 'string', pattern: '^[0-9a-f]{64}$' } as const
const text = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: 'string', format: 'binary' } } },
})

export const openApi = {
  openapi: '3.1.0',
  info: {
    title: 'postern provision',
    version: '1',
    description:
      'An attesting certificate authority. TLS 1.3 only, without resumption and without anything in between: evidence is for the very connection that it is sent on.',
  },
  paths: {
    '/v1/certificates': {
      post: {
        summary: 'Ask for a certificate',
        description:
          'CBOR {1: PKCS#10 in DER, 2: 60000([quote, claims])}; the claims say `csr`, bind the key of the request, and name as channel what the TLS exporter gives for the label "EXPERIMENTAL postern attest v1" and SHA-256 of the request. Names in the request are not read. The answer is CBOR {1: chain, 2: bundle, 3: [signed time, signature], 4: floors, 6: head of the audit log, 7: revocation list in DER}.',
        requestBody: {
          required: true,
          content: { 'application/cbor': { schema: { type: 'string', format: 'binary' } } },
        },
        responses: {
          200: text('application/cbor', 'A certificate'),
          400: refused('No question'),
          403: refused('Refused; the rules say why'),
          408: refused('Too slow'),
          413: refused('Too long'),
          415: refused('Not CBOR'),
          429: refused('Too often; Retry-After says in how many seconds to come again'),
          503: refused('Locked'),
        },
      },
    },
    '/v1/bundle': {
      get: {
        summary: 'The certificates whose signatures count, in PEM',
        responses: { 200: text('application/pem-certificate-chain', 'The bundle') },
      },
    },
    '/v1/crl': {
      get: {
        summary: 'The revocation list, in DER',
        responses: { 200: text('application/pkix-crl', 'The list'), 503: refused('Locked') },
      },
    },
    '/v1/csr': {
      get: {
        summary: 'A request for its own certificate, in PEM: what the root above it signs',
        responses: { 200: text('application/x-pem-file', 'PKCS#10') },
      },
    },
    '/v1/state': {
      get: {
        summary: 'What an operator has to sign to unlock it',
        responses: {
          200: {
            description: 'Its state',
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: {
                    locked: { type: 'boolean' },
                    ca: { ...hex, description: "SHA-256 of the CA's public key (SPKI)." },
                    boot: { ...hex, description: 'Nonce; another one after each statement.' },
                    policies: { type: ['string', 'null'], description: 'SHA-256 of the policy set in force.' },
                    revocations: { type: ['string', 'null'], description: 'SHA-256 of the revocation set in force.' },
                    until: {
                      type: ['integer', 'null'],
                      description: 'Seconds since the epoch: locked again from then on.',
                    },
                    certificate: {
                      type: ['string', 'null'],
                      description:
                        'SHA-256 of the certificate that it signs below; null: it waits for one of the root above it.',
                    },
                    auditHead: { ...hex, description: "SHA-256 of the audit log's last line." },
                  },
                  required: ['locked', 'ca', 'boot', 'policies', 'revocations', 'until', 'certificate', 'auditHead'],
                },
              },
            },
          },
        },
      },
    },
    '/v1/unlock': {
      post: {
        summary: 'Unlock it, or bring new sets',
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: {
                  statement: { type: 'string', description: 'JWS, typ postern-unlock+jws.' },
                  policies: { type: 'string', description: 'The policy set: its exact text.' },
                  revocations: { type: 'string', description: 'The revocation set: its exact text.' },
                  chain: {
                    type: 'string',
                    description:
                      "PEM, where a root stands above the CA: the CA's own certificate first, the root left out.",
                  },
                },
                required: ['statement', 'policies', 'revocations'],
                additionalProperties: false,
              },
            },
          },
        },
        responses: {
          204: { description: 'In force' },
          400: refused('Not of this form'),
          403: refused('Refused; the detail says why'),
          408: refused('Too slow'),
          413: refused('Too long'),
          415: refused('Not JSON'),
          429: refused('Too often; Retry-After says in how many seconds to come again'),
        },
      },
    },
    '/v1/openapi.json': {
      get: {
        summary: 'This description',
        responses: { 200: text('application/json', 'OpenAPI 3.1') },
      },
    },
  },
} as const
