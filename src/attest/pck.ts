// Who the machine is: Intel's extension 1.2.840.113741.1.13.1 of a PCK certificate ("Intel SGX PCK Certificate and
// Certificate Revocation List Profile Specification", §1.3.5).
//
// Numbers are unsigned: a component of 255 is written 02 02 00 FF. Fields that nobody here knows are skipped, since Intel
// may add some; a field that is missing, given twice or of another size is a Fault.

import { toHex } from '../base/bytes.ts'
import { DerReader, tag } from '../base/der.ts'
import { Fault } from '../base/errors.ts'
import type { Certificate } from './certificate.ts'
import type { Platform } from './evidence.ts'

export const sgxExtensionOid = '1.2.840.113741.1.13.1'

const code = 'certificate-malformed'
const sgxTypes = ['standard', 'scalable', 'scalable-with-integrity'] as const
const components = 16

/**
 * Reads the extension of a PCK certificate. Says nothing about who signed the certificate.
 * @throws Fault 'certificate-malformed'
 */
export function readPlatform(certificate: Certificate): Platform {
  const extension = certificate.extensions.find(({ oid }) => oid === sgxExtensionOid)
  if (extension === undefined) throw new Fault(code, 'PCK leaf: no SGX extension')
  const outer = new DerReader(extension.value, code)
  const fields = readFields(outer, sgxExtensionOid)
  outer.end('SGX extension')
  const type = fields.need('5').smallUnsigned('SGX type', tag.enumerated)
  const sgxType = sgxTypes[type]
  if (sgxType === undefined) throw new Fault(code, `SGX type: want 0 to 2, got ${type}`)
  return {
    ppid: fixed(fields.need('1'), 16, 'PPID'),
    piid: fields.has('6') ? fixed(fields.need('6'), 16, 'platform instance id') : undefined,
    fmspc: fixed(fields.need('4'), 6, 'FMSPC'),
    pceId: fixed(fields.need('3'), 2, 'PCE id'),
    sgxType,
    configuration: fields.has('7') ? readConfiguration(fields.need('7')) : undefined,
    ...readTcb(fields.need('2')),
  }
}

/** Fields .2.1 to .2.16 are the components, .2.17 is the PCE's SVN, .2.18 the components again as 16 bytes. */
function readTcb(value: DerReader): Pick<Platform, 'components' | 'pceSvn'> {
  const fields = readFields(value, `${sgxExtensionOid}.2`)
  const svns = Array.from({ length: components }, (_, i) => {
    const svn = fields.need(String(i + 1)).smallUnsigned(`component ${i + 1}`)
    if (svn > 0xff) throw new Fault(code, `component ${i + 1}: want at most 255, got ${svn}`)
    return svn
  })
  const pceSvn = fields.need('17').smallUnsigned('PCE svn')
  if (pceSvn > 0xffff) throw new Fault(code, `PCE svn: want at most 65535, got ${pceSvn}`)
  const cpuSvn = fixed(fields.need('18'), components, 'CPU svn')
  if (cpuSvn !== toHex(Uint8Array.from(svns))) throw new Fault(code, 'CPU svn: not the components that stand before it')
  return { components: svns, pceSvn }
}

function readConfiguration(value: DerReader): Platform['configuration'] {
  const fields = readFields(value, `${sgxExtensionOid}.7`)
  const on = (suffix: string, name: string): boolean => fields.has(suffix) && fields.need(suffix).boolean(name)
  return {
    dynamicPlatform: on('1', 'dynamicPlatform'),
    cachedKeys: on('2', 'cachedKeys'),
    smtEnabled: on('3', 'smtEnabled'),
  }
}

interface Fields {
  has(suffix: string): boolean
  /** A reader over one field's value. */
  need(suffix: string): DerReader
}

/** A SEQUENCE of SEQUENCE { OID, value }, by what the identifiers add to `prefix`. */
function readFields(reader: DerReader, prefix: string): Fields {
  const list = reader.enter(tag.sequence, prefix)
  const found = new Map<string, Uint8Array>()
  while (list.peek() !== undefined) {
    const pair = list.enter(tag.sequence, prefix)
    const oid = pair.oid(prefix)
    const { raw } = pair.element(oid)
    pair.end(oid)
    if (!oid.startsWith(`${prefix}.`)) throw new Fault(code, `SGX extension: ${oid} does not belong there`)
    const suffix = oid.slice(prefix.length + 1)
    if (found.has(suffix)) throw new Fault(code, `SGX extension: ${oid} is repeated`)
    found.set(suffix, raw)
  }
  return {
    has: suffix => found.has(suffix),
    need: suffix => {
      const raw = found.get(suffix)
      if (raw === undefined) throw new Fault(code, `SGX extension: ${prefix}.${suffix} is missing`)
      return new DerReader(raw, code)
    },
  }
}

function fixed(reader: DerReader, bytes: number, name: string): string {
  const content = reader.content(tag.octetString, name)
  if (content.length !== bytes) throw new Fault(code, `${name}: want ${bytes} bytes, got ${content.length}`)
  return toHex(content)
}
