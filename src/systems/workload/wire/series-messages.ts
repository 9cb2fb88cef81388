/** Orders and questions about series (proto/workload.proto), as TypeScript sees them once decoded: a field that was not given is missing. */

import type { TaskSubmitRequest } from './messages.js';

export type TaskTemplate = Omit<TaskSubmitRequest, 'data_in_uid' | 'uid' | 'command_id'>;

export interface SeriesSubmitRequest {
  name?: string;
  datasets?: string[];
  steps?: TaskTemplate[];
  concurrency?: number;
  uid?: string;
  command_id?: string;
}

export interface SeriesDataset {
  index?: number;
  dataset_uid?: string;
  name?: string;
  state?: string;
  task_ids?: number[];
  remarks?: string;
}

export interface Series {
  series_id?: number;
  uid?: string;
  name?: string;
  state?: string;
  concurrency?: number;
  datasets_total?: number;
  datasets_under_way?: number;
  datasets_finished?: number;
  datasets_passed_over?: number;
  steps_total?: number;
  create_time?: number;
  update_time?: number;
  end_time?: number;
  remarks?: string;
  revision?: number;
  datasets?: SeriesDataset[];
  steps?: TaskTemplate[];
}

export interface SeriesListRequest {
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
  state?: string[];
}

export interface SeriesList {
  series?: Series[];
  next_page_token?: string;
}
