// The first file of the attesting CA's enclave: its bundle is made from here. It takes its options, which are measured with
// it, and its ports; no other role is in it, and nothing synthetic.

import { parseArgs } from 'node:util'
import { Fault } from './base/errors.ts'
import { freezePrototypes } from './base/frozen.ts'
import { runProcess } from './process.ts'
import { portOf, provisionDefaults, runProvision } from './provision-role.ts'

const usage =
  'usage: enclave-provision.js --options FILE [--port N] [--side-port N] [--sealed mrenclave|mrsigner:FOLDER]'

runProcess(async () => {
  const values = flags(process.argv.slice(2))
  if (values.options === undefined) throw new Fault('usage', usage)
  const port = portOf(values.port ?? String(provisionDefaults.port), 'port')
  const sidePort = portOf(values['side-port'] ?? String(provisionDefaults.sidePort), 'side-port')
  await runProvision({ options: values.options, port, sidePort, sealed: values.sealed }, undefined)
  freezePrototypes()
})

function flags(args: string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({ args, options: { options: text, port: text, 'side-port': text, sealed: text }, strict: true })
      .values
  } catch (cause) {
    throw new Fault('usage', usage, { cause })
  }
}
