/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "misspelt.h"

#include <string.h>

#define MAX_SLIPS    2
#define MAX_WORD     32 /* bytes of a known word, and of one that can be near to it */
#define SHORT_LETTER 5  /* words that are shorter have room for one slip */
#define NO_SLIP      (MAX_SLIPS + 1)

/* IPv4 is not IPv6 in the hands of a bad typist. */
static guint
cost (char a, char b)
{
  if (g_ascii_tolower (a) == g_ascii_tolower (b))
    return 0;
  return g_ascii_isdigit (a) && g_ascii_isdigit (b) ? NO_SLIP : 1;
}

static gboolean
are_swapped (const char *a, const char *b)
{
  return cost (a[-1], b[0]) == 0 && cost (a[0], b[-1]) == 0;
}

/* The slips between the two, by the optimal string alignment distance: row[i][j] is that of the
 * first i and j bytes. */
static guint
count_slips (const char *a, const char *b)
{
  gsize n = strlen (a), m = strlen (b);
  guint row[MAX_WORD + 1][MAX_WORD + 1];
  if (n > MAX_WORD || m > MAX_WORD || n > m + MAX_SLIPS || m > n + MAX_SLIPS)
    return NO_SLIP;
  for (gsize i = 0; i <= n; i++)
    for (gsize j = 0; j <= m; j++) {
      row[i][j] = (guint) (i + j); /* one of them is 0, or it is more than all that follows */
      if (i == 0 || j == 0)
        continue;
      row[i][j] = MIN (row[i - 1][j], row[i][j - 1]) + 1;
      row[i][j] = MIN (row[i][j], row[i - 1][j - 1] + cost (a[i - 1], b[j - 1]));
      if (i > 1 && j > 1 && are_swapped (a + i - 1, b + j - 1))
        row[i][j] = MIN (row[i][j], row[i - 2][j - 2] + 1);
    }
  return row[n][m];
}

const char *
cg_misspelt (const char *word, const char *const *known)
{
  const char *nearest = NULL;
  guint fewest = NO_SLIP;
  for (; *known; known++) {
    guint slips = count_slips (word, *known);
    if (slips > (strlen (*known) < SHORT_LETTER ? 1 : MAX_SLIPS) || slips > fewest)
      continue;
    nearest = slips == fewest ? NULL : *known;
    fewest = slips;
  }
  return nearest;
}
