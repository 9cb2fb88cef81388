/** What tells talent what became of tasks that nobody else speaks of: a machine's own list, and an operator's word. */

export interface PlotTaskFailRequest {
  task_id?: string;
  reason?: string;
  command_id?: string;
}

export interface SupervisorPlotsRequest {
  worker_id?: string;
  session_id?: string;
  plots?: { task_id?: string; attempt?: number }[];
}

export interface SupervisorPlotsResponse {
  missing?: string[];
}
