// YAML of Kubernetes in and out, and the difference of two texts: the one door to `yaml` and `diff`. YAML 1.2's core
// schema, keys once, no aliases beyond what a person writes.

import { createTwoFilesPatch } from 'diff'
import { type Document, parseAllDocuments, stringify } from 'yaml'
import { Fault } from '../base/errors.ts'
import { type Json, readJson } from '../base/json.ts'

/** Far above a file of manifests. */
const maxBytes = 8 * 1024 * 1024
const maxAliases = 100

/** The documents of a file, empty ones left out. JSON is YAML. @throws Fault 'usage' with line and column */
export function readYaml(bytes: Uint8Array, from: string): readonly Json[] {
  if (bytes.length > maxBytes) throw new Fault('usage', `${from}: want at most ${maxBytes} bytes, got ${bytes.length}`)
  const documents = parseAllDocuments(Buffer.from(bytes).toString('utf8'), { version: '1.2', uniqueKeys: true })
  if (!Array.isArray(documents)) return []
  return documents
    .map(document => {
      const [error] = document.errors
      if (error) throw new Fault('usage', `${from}: ${error.message.split('\n')[0]}`)
      return plain(expanded(document, from), from)
    })
    .filter(value => value !== null)
}

/** @throws Fault 'usage' where aliases make much out of little */
function expanded(document: Document.Parsed, from: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases })
  } catch (error) {
    throw new Fault('usage', `${from}: ${error instanceof Error ? error.message : 'no YAML'}`)
  }
}

/** Through the strict reader, so that a file and a review give the same trees. */
function plain(value: unknown, from: string): Json {
  const text = JSON.stringify(value)
  if (text === undefined) throw new Fault('usage', `${from}: want Kubernetes objects`)
  return readJson(text)
}

export const writeYaml = (value: Json): string => stringify(value, { lineWidth: 0 })

/** A unified difference, or nothing for equals. */
export function difference(before: string, after: string): string {
  if (before === after) return ''
  const patch = createTwoFilesPatch('as given', 'as injected', before, after, '', '', { context: 3 })
  return patch.slice(patch.indexOf('---')).replace(/\t$/gm, '')
}
