import { fuzzRooms } from './rooms.ts'

fuzzRooms(['network', 'fragments'])
