import { fuzzRooms } from './rooms.ts'

fuzzRooms(['consensus', 'contracts'])
