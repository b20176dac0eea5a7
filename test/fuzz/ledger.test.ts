import { fuzzRooms } from './rooms.ts'

fuzzRooms(['encoding', 'ledger', 'crypto', 'fhir', 'client'])
