// The policy's part about Vault as the rooms read it: an origin as host and port, PEM as texts. Nothing of it comes from the
// environment, which is where Vault's own tools look.

import { originOf } from './origin.ts'
import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'

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

export function vaultIssuerOf({ url, namespace, server, login, pki }: Written): VaultIssuer {
  const { host, port } = originOf(new URL(url))
  return {
    host,
    port,
    namespace,
    server:
      'accept' in server ? server : { bundle: server.bundle.map(each => each.toString()), san: server.san ?? host },
    login,
    pki,
  }
}

/** What goes with the source `vault` and with no other, and the leave that a login without evidence needs. */
export function vaultComplaints({ identity, peers }: PolicyDocument): Complaint[] {
  const { source, vault, allowUnattestedIssuer } = identity
  const complaints: Complaint[] = []
  if (source !== 'vault') {
    const want = `nothing, as source is "${source}"`
    if (vault !== undefined) complaints.push({ path: '/identity/vault', want, got: 'a value' })
    if (allowUnattestedIssuer) complaints.push({ path: '/identity/allowUnattestedIssuer', want: 'false', got: 'true' })
    return complaints
  }
  if (vault === undefined) {
    return [{ path: '/identity/vault', want: 'the server and how to log in, as source is "vault"', got: 'nothing' }]
  }
  const { server, login, pki } = vault
  if ('accept' in server && !Object.hasOwn(peers, server.accept)) {
    complaints.push({ path: '/identity/vault/server/accept', want: 'a key of /peers', got: show(server.accept) })
  }
  if (pki.names?.length === 0) {
    complaints.push({ path: '/identity/vault/pki/names', want: 'at least one name', got: 'none' })
  }
  if (!('sgx' in login) && !allowUnattestedIssuer) {
    const want =
      'true, as this login takes only what the host can read: whoever can read it gets such a certificate for a key of his ' +
      'own, so that peers must ask for evidence in the certificate too'
    complaints.push({ path: '/identity/allowUnattestedIssuer', want, got: 'false' })
  }
  return complaints
}
