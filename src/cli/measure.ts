// `postern measure`: what an enclave's SIGSTRUCT says, once its signature holds; or in what two of them differ.

import { readSigstruct, type Sigstruct } from '../attest/sigstruct.ts'
import { allZero, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { flagsLine, type Row, section } from './show.ts'
import { readFile } from './subject.ts'

const debugFlag = 0x02n

/**
 * @returns 0, or 1 where two are given and differ.
 * @throws Fault 'usage', 'sigstruct-malformed', 'sigstruct-unverified'
 */
export function measure({ positionals, values }: Parsed, io: Io): number {
  const [file = '', other] = positionals
  const json = values['json'] === true
  const policy = values['policy'] === true
  if (json && policy) throw new Fault('usage', 'postern measure: --json and --policy exclude each other')
  if (policy && other !== undefined) throw new Fault('usage', 'postern measure: --policy is about one SIGSTRUCT')
  const one = read(file, io)
  if (other !== undefined) return compare([file, other], [one, read(other, io)], json, io)
  io.write(
    policy
      ? `${JSON.stringify(entries(one), undefined, 2)}\n`
      : json
        ? `${JSON.stringify(plain(one), undefined, 2)}\n`
        : shown(one),
  )
  return 0
}

function read(file: string, io: Io): Sigstruct {
  const bytes = readFile(file, io)
  try {
    return readSigstruct(bytes)
  } catch (error) {
    if (error instanceof Fault) throw new Fault(error.code, `${file}: ${error.message}`, { cause: error })
    throw error
  }
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`
const isDebug = ({ attributes }: Sigstruct): boolean => (attributes.flags.value & debugFlag) !== 0n

/** Every fact under the name that it has in JSON; the rest is shown from here. */
function plain(found: Sigstruct) {
  const { flags, xfrm } = found.attributes
  return {
    mrenclave: toHex(found.mrenclave),
    mrsigner: toHex(found.mrsigner),
    isvProdId: found.isvProdId,
    isvSvn: found.isvSvn,
    debug: isDebug(found),
    attributes: {
      flags: hex(flags.value),
      flagsMask: hex(flags.mask),
      xfrm: hex(xfrm.value),
      xfrmMask: hex(xfrm.mask),
    },
    miscSelect: hex(found.miscSelect.value),
    miscMask: hex(found.miscSelect.mask),
    cetAttributes: hex(found.cetAttributes.value),
    cetMask: hex(found.cetAttributes.mask),
    isvFamilyId: toHex(found.isvFamilyId),
    isvExtProdId: toHex(found.isvExtProdId),
    vendor: found.vendor,
    swDefined: found.swDefined,
    date: found.date,
  }
}

/** What a policy lists under peers.NAME.enclaves: this build, or this product of this signer from this version on. */
function entries(found: Sigstruct): readonly object[] {
  if (isDebug(found))
    throw new Fault('sigstruct-malformed', 'attributes: DEBUG, so its host reads its memory; no policy entry for it')
  const { mrenclave, mrsigner, isvProdId, isvSvn } = plain(found)
  return [{ mrenclave }, { mrsigner, isvProdId, minIsvSvn: isvSvn }]
}

function shown(found: Sigstruct): string {
  const { mrenclave, mrsigner, attributes, miscSelect, miscMask, cetAttributes, isvFamilyId, isvExtProdId } =
    plain(found)
  const rows: Row[] = [
    ['MRENCLAVE', mrenclave],
    ['MRSIGNER', mrsigner],
    ['Product', `${found.isvProdId}, security version ${found.isvSvn}`],
    ['Attributes', `${flagsLine(found.attributes.flags.value)}, mask ${attributes.flagsMask}`],
    ['XFRM', `${attributes.xfrm}, mask ${attributes.xfrmMask}`],
    ['Misc select', `${miscSelect}, mask ${miscMask}`],
    ...(found.cetAttributes.value === 0 ? [] : [['CET attributes', cetAttributes] as const]),
    ...(allZero(found.isvFamilyId) ? [] : [['Family id', isvFamilyId] as const]),
    ...(allZero(found.isvExtProdId) ? [] : [['Ext. product id', isvExtProdId] as const]),
    ['Vendor', found.vendor],
    ['Date', found.date],
  ]
  const last = isDebug(found) ? 'DEBUG: its host reads its memory. ' : ''
  return `${section('Enclave', rows)}\n${last}Signed by the key with this MRSIGNER.\n`
}

/** Every fact counts, signer and date too: a build that can be made again leaves the date out. */
function compare(
  files: readonly [string, string],
  pair: readonly [Sigstruct, Sigstruct],
  json: boolean,
  io: Io,
): number {
  const [a, b] = pair.map(found => flat(plain(found))) as [Map<string, string>, Map<string, string>]
  const differing = [...a].filter(([name, value]) => b.get(name) !== value)
  const differences = differing.map(([name, value]) => ({ name, first: value, second: b.get(name) ?? '' }))
  if (json) io.write(`${JSON.stringify({ equal: differences.length === 0, differences }, undefined, 2)}\n`)
  else if (differences.length === 0)
    io.write(`The same: MRENCLAVE ${a.get('mrenclave')}, MRSIGNER ${a.get('mrsigner')}\n`)
  else
    io.write(
      section(
        `${files[0]} and ${files[1]} differ in`,
        differences.map(({ name, first, second }): Row => [name, [first, second]]),
      ),
    )
  return differences.length === 0 ? 0 : 1
}

function flat(facts: object, above = ''): Map<string, string> {
  const pairs = Object.entries(facts).flatMap(([name, value]): [string, string][] =>
    typeof value === 'object' ? [...flat(value, `${name}.`)] : [[above + name, String(value)]],
  )
  return new Map(pairs)
}
