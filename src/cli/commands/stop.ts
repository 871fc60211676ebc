import { endingCommand } from './end-options.js'

export const command = endingCommand('Stop one or more running containers', 'stop')
