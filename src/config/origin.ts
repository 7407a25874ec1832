// Where an https URL leads, as the dialer wants it, and as it is named.

export interface Origin {
  /** An IPv6 address stands without the brackets that URLs put around it. */
  readonly host: string
  readonly port: number
}

const httpsPort = 443

/** @returns with port 443 where the URL leaves it out */
export function originOf({ hostname, port }: URL): Origin {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? httpsPort : Number(port) }
}

/** As a Host field has it: an IPv6 address stands in brackets (RFC 3986 §3.2.2). */
export function authorityOf({ host, port }: Origin): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
