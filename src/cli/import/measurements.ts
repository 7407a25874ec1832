// The measurements.json of cvm-reverse-proxy and attested-tls-proxy: a list of accepted attestation types, each with values
// for registers. Nearly all of them name TDX guests, which no policy of ours accepts; an SGX enclave among them is carried
// over by its measurement. Source: attested-tls, crates/attestation/README.md, "Measurements File".

import { Fault } from '../../base/errors.ts'
import type { Json, JsonObject } from '../../base/json.ts'
import { hex32, type Imported, isObject, jsonOf, type Left, texts } from './imported.ts'

export function importMeasurements(bytes: Uint8Array): Imported {
  const entries = jsonOf(bytes)
  if (!Array.isArray(entries))
    throw new Fault('usage', 'want a measurements.json: a list of objects with attestation_type')
  const found = entries.map((entry: Json, i) => read(entry, i))
  const enclaves = [...new Set(found.flatMap(({ accepted }) => accepted))].map(mrenclave => ({ mrenclave }))
  const notCarried = found.flatMap(({ left }) => left)
  return { peers: enclaves.length > 0 ? { app: { enclaves } } : {}, notCarried }
}

interface Read {
  readonly accepted: readonly string[]
  readonly left: readonly Left[]
}

function read(entry: Json, i: number): Read {
  const type = isObject(entry) ? entry['attestation_type'] : undefined
  if (!isObject(entry) || typeof type !== 'string')
    throw new Fault('usage', `entry ${i}: want an object with attestation_type`)
  const id = entry['measurement_id']
  const what = `${typeof id === 'string' && id !== '' ? id : `entry ${i}`} (${type})`
  const none = (why: string): Read => ({ accepted: [], left: [{ what, why }] })
  if (type === 'none')
    return none('a container without evidence is not accepted; upstream.mode says how else to trust one')
  if (!/(?:^|-)sgx$/.test(type)) return none('a policy names SGX enclaves, and this is another TEE')
  const registers = entry['measurements']
  if (!isObject(registers)) return none('any enclave would do, and a policy names those that do')
  const accepted = valuesOf(registers['mrenclave'])
  if (accepted.length === 0 || !accepted.every(each => hex32.test(each))) {
    return none('it names no mrenclave of 64 hex digits; for a signer write mrsigner, isvProdId and minIsvSvn yourself')
  }
  const rest = Object.keys(registers).filter(name => name !== 'mrenclave')
  const why = 'a policy compares a measurement alone: it stands for one build, whoever signed it'
  return {
    accepted: accepted.map(each => each.toLowerCase()),
    left: rest.map(name => ({ what: `${what}: ${name}`, why })),
  }
}

/** `expected_any` is a list, `expected` one value. */
function valuesOf(register: Json | undefined): readonly string[] {
  if (!isObject(register)) return []
  const { expected, expected_any: any } = register as JsonObject & { expected?: Json; expected_any?: Json }
  return typeof expected === 'string' ? [expected] : texts(any)
}
