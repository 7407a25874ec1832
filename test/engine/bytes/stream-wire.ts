import t from 'tap'
import { StreamWire } from '../../../src/engine/bytes/stream-wire.ts'
import { wires } from '../../support/bytes-wires.ts'

wires(t, (socket, ear, intake) => new StreamWire(socket, ear, intake))
