import { dump } from 'js-yaml'

/** Plain data as YAML, for people and for what reads configuration; fields that are undefined are left out. */
export function toYaml(value: unknown): string {
  return dump(JSON.parse(JSON.stringify(value)), { lineWidth: -1 })
}
