/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff-resolvconf.h"

static const CgResolvConf *
find_file (const CgFacts *facts, const char *gateway)
{
  for (guint i = 0; i < facts->resolvconfs->len; i++) {
    const CgResolvConf *file = &g_array_index (facts->resolvconfs, CgResolvConf, i);
    if (g_str_equal (file->gateway, gateway))
      return file;
  }
  return NULL;
}

static gboolean
is_planned (const CgPlan *plan, const char *gateway)
{
  for (guint i = 0; i < plan->resolvconfs->len; i++)
    if (g_str_equal (g_array_index (plan->resolvconfs, CgResolvConfPlan, i).gateway, gateway))
      return TRUE;
  return FALSE;
}

static void
diff_wanted (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  for (guint i = 0; i < plan->resolvconfs->len; i++) {
    const CgResolvConfPlan *want = &g_array_index (plan->resolvconfs, CgResolvConfPlan, i);
    const CgResolvConf *have = find_file (facts, want->gateway);
    CgOp op = {.step = want->confined ? CG_STEP_CONFINE_DNS : CG_STEP_RELEASE_DNS,
               .resolvconf = {.path = want->path, .text = want->text, .table = want->table}};
    if (cg_scope_has (scope, want->table) && (!have || !g_str_equal (have->text, want->text)))
      g_array_append_val (ops, op);
  }
}

/* A file that nobody needs any more is not removed: a service may still run that has it bound. */
static void
diff_leftovers (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  for (guint i = 0; i < facts->resolvconfs->len; i++) {
    const CgResolvConf *have = &g_array_index (facts->resolvconfs, CgResolvConf, i);
    const CgTunnel *tunnel = cg_facts_find_tunnel (facts, have->gateway);
    CgOp op = {.step = CG_STEP_RELEASE_DNS,
               .resolvconf = {.path = have->path,
                              .text = facts->released_resolvconf,
                              .table = tunnel ? tunnel->table : 0,
                              .is_update = cg_resolvconf_is_released (have->text)}};
    if (!is_planned (plan, have->gateway) && cg_scope_has_gateway (scope, facts, have->gateway) &&
        !g_str_equal (have->text, facts->released_resolvconf))
      g_array_append_val (ops, op);
  }
}

void
cg_diff_resolvconfs (GArray *ops, const CgPlan *plan, const CgFacts *facts, const CgScope *scope)
{
  diff_wanted (ops, plan, facts, scope);
  diff_leftovers (ops, plan, facts, scope);
}

static char *
word (const char *text)
{
  return cg_is_shell_word (text) ? g_strdup (text) : g_shell_quote (text);
}

char *
cg_resolvconf_op_to_string (const CgResolvConfOp *op)
{
  g_auto (GStrv) lines = g_strsplit (op->text, "\n", -1);
  g_autofree char *directory = g_path_get_dirname (op->path);
  g_autofree char *path = word (op->path);
  g_autofree char *parent = word (directory);
  g_autoptr (GString) command = g_string_new (NULL);
  g_string_append_printf (command, "mkdir -p %s && printf '%%s\\n'", parent);
  for (char **line = lines; *line; line++) {
    g_autofree char *quoted = g_shell_quote (*line);
    if (**line)
      g_string_append_printf (command, " %s", quoted);
  }
  g_string_append_printf (command, " >%s", path);
  return g_strdup (command->str);
}
