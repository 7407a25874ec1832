// The policy's part about Vault as the rooms read it: an origin as host and port, PEM as texts. Nothing of it comes from the
// environment, which is where Vault's own tools look.

import type { PolicyDocument } from './policy-shape.ts'

type Written = NonNullable<PolicyDocument['identity']['vault']>

export interface VaultIssuer {
  readonly host: string
  readonly port: number
  readonly namespace: string | undefined
  /** PEM certificates and the name that the server's must carry; or a key of `peers`. */
  readonly server: { readonly bundle: readonly string[]; readonly san: string } | { readonly accept: string }
  readonly login: Written['login']
  readonly pki: Written['pki']
}

const httpsPort = 443

export function vaultIssuerOf({ url, namespace, server, login, pki }: Written): VaultIssuer {
  const { hostname, port } = new URL(url)
  return {
    host: hostname,
    port: port === '' ? httpsPort : Number(port),
    namespace,
    server:
      'accept' in server ? server : { bundle: server.bundle.map(each => each.toString()), san: server.san ?? hostname },
    login,
    pki,
  }
}
