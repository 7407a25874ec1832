// Knative's request log template: a subset of Go's text/template, compiled once into functions. No eval, no reflection: a
// template reaches the fields of template/fields.ts and nothing else.
//
// The subset: text; {{/* comments */}}; trim markers; {{pipeline}}; if, else, else if, end; strings, raw strings,
// characters, numbers, true, false; parentheses; `.A.B` and `$.A.B`; the functions and, or, not, eq, ne, lt, le, gt, ge,
// index, len, js, html, urlquery, print, printf (with a literal format), println.
// Of a header field that came more than once only the first is known.

import type { Summary } from '../gate/contract.ts'
import type { Serving } from './labels.ts'
import { canonical, fieldsFor, headerField, type Member } from './template/fields.ts'
import { builtins } from './template/functions.ts'
import { refusal } from './template/lexer.ts'
import { type Command, type Node, type Operand, type Pipe, parse } from './template/parser.ts'
import { compileFormat } from './template/printf.ts'
import { Float, failure, isTrue, show, type Value } from './template/values.ts'

/** Bytes of one record, one character each. @throws where the template fails on this request */
export type Render = (summary: Summary) => string

type Run = (summary: Summary) => Value

const fails: Run = () => {
  throw failure
}

/**
 * @param text a Go template
 * @throws Fault 'environment-invalid' with line and column for what is malformed or not in the subset
 */
export function compileTemplate(text: string, serving: Serving & { readonly podIp: string }): Render {
  const source = Buffer.from(text, 'utf8').toString('latin1')
  const root: Member = { members: fieldsFor(serving) }

  const refuse = (at: number, why: string): Error => refusal(source, at, why)

  function nodes(list: readonly Node[]): Render {
    const parts = list.map(node)
    const [first, second] = parts
    if (!first) return () => ''
    if (!second) return first
    return summary => {
      let record = ''
      for (const part of parts) record += part(summary)
      return record
    }
  }

  function node(each: Node): Render {
    if (each.kind === 'text') return () => each.text
    const run = pipeline(each.pipe)
    if (each.kind === 'action') return summary => show(run(summary))
    const then = nodes(each.then)
    const otherwise = nodes(each.otherwise)
    return summary => (isTrue(run(summary)) ? then(summary) : otherwise(summary))
  }

  function pipeline(pipe: Pipe): Run {
    const [first, ...rest] = pipe.commands
    return rest.reduce<Run>((run, each) => command(each, run), command(first, undefined))
  }

  /** @param last the value of the pipeline so far, which is the command's last argument */
  function command({ first, rest }: Command, last: Run | undefined): Run {
    const piped = last ? [last] : []
    switch (first.kind) {
      case 'function':
        return called(first.name, first.at, rest, piped)
      case 'path':
        return field(first, rest, piped)
      case 'literal':
        if (first.value === null) throw refuse(first.at, 'nil is not a command')
        break
      case 'group':
        break
    }
    if (rest.length > 0) throw refuse(first.at, "can't give argument to non-function")
    return operand(first)
  }

  function operand(each: Operand): Run {
    switch (each.kind) {
      case 'path':
        return field(each, [], [])
      case 'function':
        return called(each.name, each.at, [], [])
      case 'group':
        return pipeline(each.pipe)
      case 'literal': {
        if (each.value === null) throw refuse(each.at, 'nil is not supported')
        const value = typeof each.value === 'number' && each.float ? new Float(each.value) : each.value
        return () => value
      }
    }
  }

  function find({ names, at }: Operand & { kind: 'path' }): Member | undefined {
    let member: Member = root
    for (const name of names) {
      if (!member.members) return undefined
      const next = member.members.get(name)
      if (!next) return undefined
      if (next.refused) throw refuse(at, `.${names.join('.')} is not supported`)
      member = next
    }
    return member
  }

  function field(path: Operand & { kind: 'path' }, rest: readonly Operand[], piped: readonly Run[]): Run {
    const member = find(path)
    const given = [...rest.map(operand), ...piped]
    // As in Go: no such field, or arguments where none are taken, are found out by the first request.
    if (!member) return fails
    const { method, read } = member
    const [argument, more] = given
    if (method) {
      if (!argument || more) return fails
      return summary => method.call(summary, textOf(argument(summary)))
    }
    if (!read) {
      const name = `.${path.names.join('.')}`
      throw refuse(path.at, member.header ? `${name} can only be indexed or asked with Get` : `${name} cannot be shown`)
    }
    return given.length > 0 ? fails : read
  }

  function called(name: string, at: number, rest: readonly Operand[], piped: readonly Run[]): Run {
    if (name === 'index') {
      const [of, key, ...more] = rest
      if (of?.kind === 'path' && find(of)?.header) return headerAt(of.at, key, more, piped)
    }
    if (name === 'printf') return printf(at, rest, piped)
    const given = [...rest.map(operand), ...piped]
    if (name === 'and' || name === 'or') return given.length === 0 ? fails : firstThat(given, name === 'or')
    const builtin = builtins.get(name)
    if (!builtin) {
      const known = name === 'call' || name === 'slice'
      throw refuse(at, known ? `${name} is not supported` : `function "${name}" not defined`)
    }
    const { run, least, most } = builtin
    if (given.length < least || given.length > most) return fails
    return applied(run, given)
  }

  /** `index .Request.Header "Name"` is a list, with the first value if there is one. */
  function headerAt(at: number, key: Operand | undefined, more: readonly Operand[], piped: readonly Run[]): Run {
    const [name, ...inside] = [...(key ? [operand(key)] : []), ...more.map(operand), ...piped]
    if (!name) throw refuse(at, 'index: which header field?')
    const values: Run = summary => {
      const wanted = textOf(name(summary))
      return [(canonical(wanted) === wanted ? headerField(summary.head, wanted) : undefined) ?? []].flat()
    }
    const index = builtins.get('index')
    return index && inside.length > 0 ? applied(index.run, [values, ...inside]) : values
  }

  function printf(at: number, rest: readonly Operand[], piped: readonly Run[]): Run {
    const [format, ...more] = rest
    if (format?.kind !== 'literal' || typeof format.value !== 'string') {
      throw refuse(format?.at ?? at, 'printf: the format must be a string literal')
    }
    try {
      return applied(compileFormat(format.value), [...more.map(operand), ...piped])
    } catch (error) {
      throw error instanceof Error && error.message.startsWith('printf') ? refuse(format.at, error.message) : error
    }
  }

  return nodes(parse(source))
}

function applied(run: (values: readonly Value[]) => Value, given: readonly Run[]): Run {
  const [only, more] = given
  if (only && !more) return summary => run([only(summary)])
  return summary => run(given.map(each => each(summary)))
}

/** The first that is true (or) or not (and), else the last. */
function firstThat(given: readonly Run[], wanted: boolean): Run {
  return summary => {
    let value: Value = false
    for (const each of given) {
      value = each(summary)
      if (isTrue(value) === wanted) return value
    }
    return value
  }
}

function textOf(value: Value): string {
  if (typeof value === 'string') return value
  throw failure
}
