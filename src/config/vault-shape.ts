// The policy document's part about Vault and OpenBao. Everything that is asked for is here: the environment, where Vault's
// own tools look, has no say.

import { certificates, label, peerName, sanName, trustDomain } from './forms.ts'
import { array, byKey, defaulted, described, flag, object, optional, text } from './shape.ts'

const segment = '[A-Za-z0-9_~-][A-Za-z0-9._~-]*'
const mount = text(new RegExp(`^${segment}(?:/${segment})*$`), 'a path such as pki or team/pki')
const vaultName = text(new RegExp(`^${segment}$`), 'a name of letters, digits and . _ ~ -')
const file = text(/^\/[^\0]+$/, 'an absolute path')
const withToken = { role: vaultName, file: described('Where the token is read from, anew for each login.', file) }

export const vaultShape = object({
  url: described('Origin of the server.', text(/^https:\/\/[a-z0-9.-]+(?::[0-9]{1,5})?$/, 'https://host[:port]')),
  namespace: described('Namespace; without it, the root one.', optional(mount)),
  server: described(
    'How the server is known before anything is sent: by a CA and its name (the host of url by default), or by evidence.',
    byKey({
      bundle: object({
        bundle: certificates(64),
        san: optional(sanName),
      }),
      accept: object({ accept: text(peerName, 'a key of peers') }),
    }),
  ),
  login: described(
    'How we log in; only sgx proves an enclave.',
    byKey({
      sgx: object({ sgx: object({ mount: defaulted(mount, 'sgx-auth'), id: vaultName }) }),
      certificate: object({
        certificate: object({
          mount: defaulted(mount, 'cert'),
          role: optional(vaultName),
          folder: described('Holds tls.crt and tls.key.', file),
        }),
      }),
      jwt: object({ jwt: object({ mount: defaulted(mount, 'jwt'), ...withToken }) }),
      kubernetes: object({ kubernetes: object({ mount: defaulted(mount, 'kubernetes'), ...withToken }) }),
    }),
  ),
  pki: object({
    mount: described('Path of the PKI secrets engine.', defaulted(mount, 'pki')),
    role: vaultName,
    names: described(
      "Subject alternative names, DNS and spiffe://; without them, Knative's and the service's.",
      optional(
        array(
          text(new RegExp(`^(?:${label}(?:\\.${label})*|spiffe://${trustDomain}(?:/[A-Za-z0-9._-]+)+)$`), 'a name'),
        ),
      ),
    ),
    evidence: described('Ask for a certificate that carries evidence (sign-verbatim).', defaulted(flag, false)),
  }),
})
