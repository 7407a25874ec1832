// What a platform is worth: the level of TCB info that it reaches, the level of its Quoting Enclave and TDX module, and
// the three merged into one status. Algorithm: Intel DCAP Quote Verification Library, TcbInfo.cpp and QuoteVerifier.cpp.
//
// No level reached means not supported, and that is a refusal; so is Revoked, wherever it stands.

import { allZero, toHex } from '../base/bytes.ts'
import { Fault } from '../base/errors.ts'
import type { LevelStatus, Platform, TcbStatus, TdReportBody } from './evidence.ts'
import type { IsvLevel, Level, PlatformLevel, TcbInfo } from './tcb-info.ts'

const code = 'quote-unverified'
/** Index in TEE_TCB_SVN from which components count where the module has an identity of its own. */
const behindModule = 2

/** The highest level that the platform reaches in every component. @throws Fault 'quote-unverified' where it reaches none */
export function platformLevel(info: TcbInfo, platform: Platform, tdBody: TdReportBody | undefined): PlatformLevel {
  const found = info.levels.find(
    level =>
      platform.pceSvn >= level.pceSvn &&
      reaches(platform.components, level.sgx) &&
      (level.tdx === undefined || (tdBody !== undefined && reachesTdx(tdBody.teeTcbSvn, level.tdx))),
  )
  return found ?? notSupported('platform')
}

/** The highest level of one security version. @throws Fault 'quote-unverified' where it reaches none */
export function isvLevel(levels: readonly IsvLevel[], isvSvn: number, name: string): IsvLevel {
  return levels.find(level => isvSvn >= level.isvSvn) ?? notSupported(name)
}

/**
 * The TDX module's level, by the identity that the quote's module version names; undefined for modules of version 0,
 * which have none.
 * @throws Fault 'quote-unverified' where the module is not Intel's or reaches no level
 */
export function tdxModuleLevel(info: TcbInfo, body: TdReportBody): IsvLevel | undefined {
  const [isvSvn = 0, version = 0] = body.teeTcbSvn
  const id = `TDX_${version.toString(16).toUpperCase().padStart(2, '0')}`
  const identity = info.tdx?.identities.find(each => each.id === id)
  const module = version === 0 ? info.tdx?.module : identity
  if (module === undefined) throw new Fault(code, `TDX module: no identity ${id} in TCB info`)
  if (toHex(body.mrSignerSeam) !== module.mrSigner || !allZero(body.mrSignerSeam)) {
    throw new Fault(code, 'TDX module: not signed by Intel')
  }
  if ((body.seamAttributes & module.attributesMask) !== module.attributes || body.seamAttributes !== 0n) {
    throw new Fault(code, 'TDX module: attributes that it should not have')
  }
  return version === 0 ? undefined : isvLevel(identity?.levels ?? [], isvSvn, 'TDX module')
}

// What each status asks for. Merging adds up what is asked for: the platform is as bad as its worst part.
const asks: Readonly<
  Record<
    Exclude<LevelStatus, 'Revoked'>,
    { readonly update: boolean; readonly configure: boolean; readonly harden: boolean }
  >
> = {
  UpToDate: { update: false, configure: false, harden: false },
  SWHardeningNeeded: { update: false, configure: false, harden: true },
  ConfigurationNeeded: { update: false, configure: true, harden: false },
  ConfigurationAndSWHardeningNeeded: { update: false, configure: true, harden: true },
  OutOfDate: { update: true, configure: false, harden: false },
  OutOfDateConfigurationNeeded: { update: true, configure: true, harden: false },
}

/**
 * One status for all parts of a platform.
 * @throws Fault 'quote-unverified' where one of them is revoked
 */
export function mergeStatus(
  parts: readonly (readonly [name: string, level: Level])[],
): Exclude<TcbStatus, 'Synthetic'> {
  const all = parts.map(([name, { status }]) => {
    if (status === 'Revoked') throw new Fault(code, `${name}: its TCB level is revoked`)
    return asks[status]
  })
  const configure = all.some(ask => ask.configure)
  if (all.some(ask => ask.update)) return configure ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
  if (all.some(ask => ask.harden)) return configure ? 'ConfigurationAndSWHardeningNeeded' : 'SWHardeningNeeded'
  return configure ? 'ConfigurationNeeded' : 'UpToDate'
}

function reaches(has: readonly number[], wants: readonly number[]): boolean {
  return wants.every((svn, i) => (has[i] ?? -1) >= svn)
}

/** Components 0 and 1 are the module's SVN and version: where an identity judges the module, they are not compared. */
function reachesTdx(teeTcbSvn: Uint8Array, wants: readonly number[]): boolean {
  const from = (teeTcbSvn[1] ?? 0) > 0 ? behindModule : 0
  return reaches([...teeTcbSvn.subarray(from)], wants.slice(from))
}

function notSupported(name: string): never {
  throw new Fault(code, `${name}: reaches no level of the collateral's`)
}
