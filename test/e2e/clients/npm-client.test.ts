import { describe } from 'vitest';
import { describeNpmClient } from './npm-client-suite.ts';

describe('the JavaScript client of a service that speaks v4', () => describeNpmClient('v4.20190615'));
describe('the JavaScript client of a service that speaks v6', () => describeNpmClient('v6.20220315'));
