import t from 'tap'
import { authorityOf, originOf } from '../../src/config/origin.ts'

t.test('host and port of a URL', async t => {
  const of = (url: string) => originOf(new URL(url))
  t.same(of('https://a.example:8200/x'), { host: 'a.example', port: 8200 })
  t.same(of('https://a.example'), { host: 'a.example', port: 443 })
  t.same(of('https://[::1]:8200'), { host: '::1', port: 8200 }, 'an address without its brackets')
})

t.test('and as it is named', async t => {
  t.equal(authorityOf({ host: 'a.example', port: 8200 }), 'a.example:8200')
  t.equal(authorityOf({ host: '::1', port: 443 }), '[::1]:443')
})
