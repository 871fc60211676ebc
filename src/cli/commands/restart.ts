import { endingCommand } from './end-options.js'

export const command = endingCommand('Restart one or more containers', 'restart')
