// A function in Node: three lines more than without evidence. Run with --synthetic where there is no SGX.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { attest } from 'postern/function'

const options = process.argv.includes('--synthetic') ? await development() : production()

const attestation = await attest(options)
const server = createServer(attestation.tls, (request, response) =>
  response.end(`hello, you asked for ${request.url}\n`),
)
attestation.protect(server).listen(Number(process.env.PORT ?? 8080))

/** Who may call stands in a file that the enclave's manifest trusts; the environment is the host's word. */
function production() {
  return { clients: JSON.parse(readFileSync(new URL('clients.json', import.meta.url), 'utf8')) }
}

/** Evidence that anybody can make: refused where there is a real TEE, believed by the policy `demo` alone. */
async function development() {
  const { synthetic, syntheticProxy } = await import('postern/function/synthetic')
  return { clients: { enclaves: [syntheticProxy] }, dangerSynthetic: synthetic() }
}
