/*
 * Exchanges two names as fast as it can, as a hostile writer in a container would: attacker <directory> <a> <b>.
 * It keeps the directory as its working directory, so it goes on when the directory is moved away. Ends when its
 * standard input has something to read or ends; prints how many exchanges it made.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv) {
  unsigned long count = 0;
  struct pollfd input = {.fd = 0, .events = POLLIN};
  if (argc != 4 || chdir(argv[1]) != 0) return 2;
  puts("ready");
  fflush(stdout);
  for (unsigned long round = 0;; round++) {
    /* Once the directory is removed this fails for ever, which does no harm. */
    if (syscall(SYS_renameat2, AT_FDCWD, argv[2], AT_FDCWD, argv[3], RENAME_EXCHANGE) == 0) count++;
    if (round % 256 == 0 && poll(&input, 1, 0) > 0) break;
  }
  printf("%lu\n", count);
  return 0;
}
