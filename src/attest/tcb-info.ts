// TCB info: Intel's table of what a model of platforms (FMSPC) is worth at which security version. Version 3 only.
// Format: Intel PCS API v4, "Get SGX TCB Info" and "Get TDX TCB Info".
//
// Version 2 names no TEE, so one that was made for SGX cannot be told from another; it is refused with that reason.

import { Reader, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import { type LevelStatus, levelStatuses } from './evidence.ts'
import { type Members, readSignedJson, type SignedJson } from './signed-json.ts'

const code = 'collateral-malformed'
const components = 16
const advisoryForm = /^[A-Z0-9-]{1,64}$/
/** Evaluation data numbers go up by one with each TCB recovery. */
const maxNumber = 0xffff_ffff

/** A row of a table: what Intel says about those who have at least these security versions. */
export interface Level {
  readonly status: LevelStatus
  /** Milliseconds since the epoch. */
  readonly tcbDate: number
  readonly advisoryIds: readonly string[]
}

export interface PlatformLevel extends Level {
  /** 16 each. */
  readonly sgx: readonly number[]
  readonly pceSvn: number
  /** 16; only in TCB info for TDX. */
  readonly tdx: readonly number[] | undefined
}

export interface IsvLevel extends Level {
  readonly isvSvn: number
}

/** What TDX module is acceptable; hex and a bit mask. */
export interface TdxModule {
  readonly mrSigner: string
  readonly attributes: bigint
  readonly attributesMask: bigint
}

export interface TdxModuleIdentity extends TdxModule {
  /** 'TDX_03' for modules of major version 3. */
  readonly id: string
  readonly levels: readonly IsvLevel[]
}

export interface TcbInfo {
  readonly tee: 'sgx' | 'tdx'
  /** Milliseconds since the epoch. */
  readonly issueDate: number
  /** Milliseconds since the epoch. */
  readonly nextUpdate: number
  /** Lower-case hex. */
  readonly fmspc: string
  /** Lower-case hex. */
  readonly pceId: string
  readonly evaluationDataNumber: number
  /** Highest security versions first. */
  readonly levels: readonly PlatformLevel[]
  /** Only for TDX. */
  readonly tdx: { readonly module: TdxModule; readonly identities: readonly TdxModuleIdentity[] } | undefined
  readonly signed: SignedJson
}

/** Reads `{"tcbInfo":{…},"signature":"…"}`. Nothing is verified. @throws Fault 'collateral-malformed' */
export function readTcbInfo(bytes: Uint8Array): TcbInfo {
  const signed = readSignedJson(bytes, 'tcbInfo')
  const { document } = signed
  const version = document.count('version', 99)
  if (version !== 3) {
    const why = version === 2 ? ' (version 2 is deprecated: it does not say for which TEE it is)' : ''
    throw new Fault(code, `tcbInfo.version: want 3, got ${version}${why}`)
  }
  const type = document.count('tcbType', maxNumber)
  if (type !== 0) throw new Fault(code, `tcbInfo.tcbType: want 0, the one way of comparing, got ${type}`)
  const tee = document.one('id', ['SGX', 'TDX']) === 'SGX' ? 'sgx' : 'tdx'
  return {
    tee,
    issueDate: document.time('issueDate'),
    nextUpdate: document.time('nextUpdate'),
    fmspc: toHex(document.hex('fmspc', 6)),
    pceId: toHex(document.hex('pceId', 2)),
    evaluationDataNumber: document.count('tcbEvaluationDataNumber', maxNumber),
    levels: document
      .objects('tcbLevels')
      .map(level => readPlatformLevel(level, tee))
      .sort(descending),
    tdx: tee === 'sgx' ? undefined : readTdx(document),
    signed,
  }
}

function readPlatformLevel(level: Members, tee: TcbInfo['tee']): PlatformLevel {
  const tcb = level.object('tcb')
  return {
    ...readLevel(level),
    sgx: readComponents(tcb, 'sgxtcbcomponents'),
    pceSvn: tcb.count('pcesvn', 0xffff),
    tdx: tee === 'sgx' ? undefined : readComponents(tcb, 'tdxtcbcomponents'),
  }
}

function readComponents(tcb: Members, key: string): number[] {
  const list = tcb.objects(key)
  if (list.length !== components) throw new Fault(code, `${key}: want ${components} components, got ${list.length}`)
  return list.map(each => each.count('svn', 0xff))
}

function readTdx(document: Members): TcbInfo['tdx'] {
  return {
    module: readModule(document.object('tdxModule')),
    identities: document.objects('tdxModuleIdentities').map(identity => ({
      ...readModule(identity),
      id: identity.text('id'),
      levels: readIsvLevels(identity),
    })),
  }
}

function readModule(module: Members): TdxModule {
  // As in the TD report body: little endian.
  const bits = (key: string): bigint => new Reader(module.hex(key, 8), code).u64le(key)
  return {
    mrSigner: toHex(module.hex('mrsigner', 48)),
    attributes: bits('attributes'),
    attributesMask: bits('attributesMask'),
  }
}

/** The table of something that has one security version: a TDX module or a Quoting Enclave. Highest first. */
export function readIsvLevels(of: Members): IsvLevel[] {
  return of
    .objects('tcbLevels')
    .map(level => ({ ...readLevel(level), isvSvn: level.object('tcb').count('isvsvn', 0xffff) }))
    .sort((a, b) => b.isvSvn - a.isvSvn)
}

function readLevel(level: Members): Level {
  const advisoryIds = level.optionalTexts('advisoryIDs')
  const strange = advisoryIds.find(id => !advisoryForm.test(id))
  if (strange !== undefined) throw new Fault(code, 'advisoryIDs: want names such as INTEL-SA-00615')
  return { status: level.one('tcbStatus', levelStatuses), tcbDate: level.time('tcbDate'), advisoryIds }
}

/** The order in which Intel's verifier tries levels: component by component, then the PCE's SVN. */
function descending(a: PlatformLevel, b: PlatformLevel): number {
  const left = [...a.sgx, ...(a.tdx ?? []), a.pceSvn]
  const right = [...b.sgx, ...(b.tdx ?? []), b.pceSvn]
  const at = left.findIndex((svn, i) => svn !== right[i])
  // Where nothing differs, -1 is the place of nothing on either side, and the order stays.
  return (right[at] ?? 0) - (left[at] ?? 0)
}
