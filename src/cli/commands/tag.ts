import { defineCommand } from '../command.js'

export const command = defineCommand({
  synopsis: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  arguments: [2, 2],
  options: {},
  async run(_, [source, target], { engine }) {
    await (await engine()).images.tag(source!, target!)
    return undefined
  },
})
