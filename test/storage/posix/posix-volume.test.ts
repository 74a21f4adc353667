import { openTestVolume } from '../test-volume.ts';
import { describeVolumeContract } from '../volume-contract.ts';

describeVolumeContract('the posix volume', openTestVolume);
