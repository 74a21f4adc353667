import type { z } from 'zod';
import { ConfigError } from './config-error.ts';
import type { settingsSchema } from './settings.ts';

const protocols = ['http/protobuf', 'http/json'] as const;

/** What a process sends its traces by. */
export interface TracingSettings {
  /** The variable that asks for traces. */
  readonly asker: string;
  readonly protocol: (typeof protocols)[number];
}

const askers = [
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
] as const;

/**
 * Whether the standard variables of OpenTelemetry ask for traces: an endpoint does, or `OTEL_TRACES_EXPORTER=otlp`;
 * `OTEL_TRACES_EXPORTER=none` and `OTEL_SDK_DISABLED=true` call it off.
 * @throws ConfigError for a protocol that we do not speak
 */
export function tracingOf(settings: z.output<typeof settingsSchema>): TracingSettings | undefined {
  if (settings.OTEL_SDK_DISABLED || settings.OTEL_TRACES_EXPORTER === 'none') return undefined;
  const asker = askers.find((name) => settings[name] !== undefined);
  if (asker === undefined) return undefined;
  const name =
    settings.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL === undefined
      ? 'OTEL_EXPORTER_OTLP_PROTOCOL'
      : 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  const given = settings[name] ?? protocols[0];
  const protocol = protocols.find((known) => known === given);
  if (protocol !== undefined) return { asker, protocol };
  throw new ConfigError(`${name} must be one of ${protocols.join(', ')}, not "${given}".`);
}
