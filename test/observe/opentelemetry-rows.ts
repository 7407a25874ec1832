import t from 'tap'
import { type Facts, far, rowMaker } from '../../src/observe/opentelemetry-rows.ts'

const words = (...all: string[]) => ({ words: all, of: () => 0 })
const facts: Facts = {
  status: 200,
  far: far.responded,
  error: 0,
  method: 3,
  version: 1,
  secure: false,
  tag: 0,
  host: 0,
}

const make = (allowed: readonly string[] = ['method', 'status', 'route', 'bytes', 'duration']) =>
  rowMaker(
    {
      serving: { namespace: 'n', service: 's', configuration: 'c', revision: 'r', pod: 'p' },
      version: '1',
      upstream: { port: 8080, secure: false },
      hosts: [],
      may: field => allowed.includes(field),
      inFlight: undefined,
    },
    words('host'),
    allowed.includes('route') ? words('tag') : undefined,
    ['', 'upstream-closed'],
  )

const observed = (row: object): string[] => Object.entries(row).flatMap(([name, child]) => (child ? [name] : []))
const all = ['invocation', 'duration', 'received', 'sent', 'clientDuration', 'clientSent']

t.test('who was turned away has no series of the container', async t => {
  t.same(observed(make().row({ ...facts, far: far.refused })), ['duration', 'received', 'sent'])
})

t.test('a served request has all', async t => {
  const maker = make()
  t.same(observed(maker.row(facts)), all)
  t.same(observed(maker.full()), all)
  t.equal(maker.pages.length, 6)
})

t.test('a probe has those of our client, without a tag', async t => {
  const maker = make()
  t.same(observed(maker.probeRow(facts)), ['clientDuration', 'clientSent'])
  const text = maker.pages.map(page => page.text()).join('')
  t.match(text, 'url_scheme="http"')
  t.notMatch(text, 'kn_route_tag')
})

t.test('the same labels are the same child', async t => {
  const maker = make(['status', 'bytes', 'duration'])
  const get = maker.row(facts)
  const post = maker.row({ ...facts, method: 7 })
  t.equal(get.duration, post.duration)
  t.not(get.duration, maker.row({ ...facts, status: 404 }).duration)
})

t.test('what is not allowed is not there', async t => {
  const maker = make([])
  t.same(maker.pages, [])
  t.same(observed(maker.row(facts)), [])
})

t.test("an error is the server's after a head, and the client's before", async t => {
  const after = make()
  after.row({ ...facts, error: 1 })
  const before = make()
  before.row({ ...facts, far: far.forwarded, status: 502, error: 1 })
  const where = ({ pages }: typeof after) =>
    pages.filter(page => page.text().includes('error_type="upstream-closed"')).map(({ name }) => name)
  t.same(where(after), [
    'http_server_request_duration_seconds',
    'http_server_request_body_size_bytes',
    'http_server_response_body_size_bytes',
  ])
  t.same(where(before), ['http_client_request_duration_seconds', 'http_client_request_body_size_bytes'])
})
