import t from 'tap'
import { compileFormat } from '../../../src/observe/template/printf.ts'
import { Float, type Value } from '../../../src/observe/template/values.ts'

const float = (value: number): Float => new Float(value)

// As fmt.Sprintf of Go 1.26 prints them.
const rows: [format: string, values: Value[], expected: string][] = [
  ['100%% %v', ['a'], '100% a'],
  [
    '%s|%10s|%-5s|%.2s',
    ['é', 'abc', 'é', 'abc'].map(each => Buffer.from(each).toString('latin1')),
    '\xc3\xa9|       abc|\xc3\xa9    |ab',
  ],
  ['%05s', ['a'], '0000a'],
  ['%q %5q', ['a"b', 'x'], '"a\\"b"   "x"'],
  ['%x %X % x %.1x', ['hi', 'jk', 'hi', 'hi'], '6869 6A6B 68 69 68'],
  ['%d|%5d|%-5d|%05d|%+d|% d', [5, 5, 5, 5, 5, 5], '5|    5|5    |00005|+5| 5'],
  ['%05d %x %X %x', [-42, 255, 255, -255], '-0042 ff FF -ff'],
  ['%.2d %6.3d %06.3d %.0d|', [5, 7, 7, 0], '05    007    007 |'],
  ['%c %q %q %q', [233, 65, 39, 34], "\xc3\xa9 'A' '\\'' '\"'"],
  ['%t %v %5t', [true, false, true], 'true false  true'],
  ['%f %.1f %8.3f %08.3f %+.1f', [2.5, 0.25, 3.25, -3.25, 2].map(float), '2.500000 0.2    3.250 -003.250 +2.0'],
  ['%.0f %.0f %.0f %.2f', [0.5, 1.5, 2.5, 1.005].map(float), '0 2 2 1.00'],
  ['%.3e %.0e %.0e %.1e %.3g', [1235.5, 2.5, 9.5, 9.95, 1234.5].map(float), '1.236e+03 2e+00 1e+01 9.9e+00 1.23e+03'],
  ['%e %.3e %E', [1234.5, 1234.5, 0.00001].map(float), '1.234500e+03 1.234e+03 1.000000E-05'],
  [
    '%g %v %.3g %.3g %.3g %.10g %G',
    [1e6, 1.5, 1234.5, 0.00001234, 100, 100, 1e-9].map(float),
    '1e+06 1.5 1.23e+03 1.23e-05 100 100 1E-09',
  ],
  ['%v %s %q %x %d', [['a', 'b'], ['a'], ['a', 'b'], ['a'], ['a']], '[a b] [a] ["a" "b"] [61] [%!d(string=a)]'],
  ['%d %s %t %f %c', ['x', 5, 1, 'y', float(1)], '%!d(string=x) %!s(int=5) %!t(int=1) %!f(string=y) %!c(float64=1)'],
  ['%s %d %5.2f', [true, float(1.5), 'abcd'], '%!s(bool=true) %!d(float64=1.5) %!f(string=   ab)'],
  ['%d', [], '%!d(MISSING)'],
  ['x', ['a', 1, true, float(2), ['l']], 'x%!(EXTRA string=a, int=1, bool=true, float64=2, []string=[l])'],
]
for (const [format, values, expected] of rows) {
  t.test(JSON.stringify(format), async t => t.equal(compileFormat(format)(values), expected))
}

for (const [format, word] of [
  ['a %p', '%p'],
  ['%', '%'],
  ['%#x', '%#'],
  ['%*d', '%*'],
  ['%[1]d', '%['],
] as const) {
  t.test(`not supported: ${format}`, async t => {
    t.throws(() => compileFormat(format), { message: `printf: "${word}" is not supported` })
  })
}
