// Puts a generated part into a text that people write, between two marks.

import { Fault } from '../../src/base/errors.ts'

const begin = '<!-- bench -->'
const end = '<!-- /bench -->'

/** @param name of the text, for the message @throws Fault 'usage' where the marks are not there, once and in order */
export function splice(text: string, part: string, name: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Fault('usage', `${name} has no part between ${begin} and ${end}`)
  return `${text.slice(0, from + begin.length)}\n\n${part.trim()}\n\n${text.slice(to)}`
}
