// A toy ingress, so that the demo has somebody in front of the proxy: ends the visitor's TLS and speaks TLS to the
// proxy's 8112. It shows what an ordinary gateway does and no more; it verifies nobody. The one door to http-proxy, which
// must never be on the proxy's own path.

import { Agent, createServer, type Server } from 'node:https'
import httpProxy from 'http-proxy'
import type { Credential } from '../identity/credential.ts'
import { withKeyPem } from '../identity/credential.ts'

/** @param target the proxy's TLS port */
export async function startIngress(port: number, target: number, credential: Credential): Promise<Server> {
  // http-proxy calls util._extend; visitors of the demo need not read about it.
  Object.assign(process, { noDeprecation: true })
  const forward = httpProxy.createProxyServer({
    target: `https://127.0.0.1:${target}`,
    agent: new Agent({ keepAlive: true }),
    secure: false,
    xfwd: true,
  })
  forward.on('error', (_error, _message, response) => {
    if ('writeHead' in response && !response.headersSent) response.writeHead(502)
    response.end('the toy ingress could not reach the proxy\n')
  })
  const server = withKeyPem(credential, pem => createServer(pem, (message, response) => forward.web(message, response)))
  server.on('upgrade', (message, socket, head) => forward.ws(message, socket, head))
  server.on('tlsClientError', () => {})
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
