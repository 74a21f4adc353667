// The attacker of attacker.c where no compiler is: three renames for one exchange, so the name is briefly missing.
import { renameSync } from 'node:fs';

const [directory, a, b] = process.argv.slice(2);
let count = 0;
let isStopped = false;
process.stdin
  .on('data', () => undefined)
  .on('end', () => {
    isStopped = true;
  });
process.chdir(directory);
process.stdout.write('ready\n');

function exchange() {
  try {
    renameSync(a, 'spare');
    renameSync(b, a);
    renameSync('spare', b);
    count += 1;
  } catch {
    for (const name of [b, a]) {
      try {
        renameSync('spare', name);
        break;
      } catch {
        // Somebody took it; the next round shows.
      }
    }
  }
}

function loop() {
  for (let round = 0; round < 256 && !isStopped; round += 1) exchange();
  if (isStopped) process.stdout.write(`${count}\n`);
  else setImmediate(loop);
}
loop();
