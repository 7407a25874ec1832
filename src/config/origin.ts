// Where an https URL leads, as the dialer wants it.

const httpsPort = 443

/** @returns an IPv6 address without the brackets that URLs put around it, and the port, 443 where it is left out */
export function originOf({ hostname, port }: URL): { readonly host: string; readonly port: number } {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? httpsPort : Number(port) }
}
