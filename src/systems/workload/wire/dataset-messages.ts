/** Orders and questions about datasets and their files (proto/workload.proto); see messages.ts. */

export interface NewFile {
  file_name?: string;
  path?: string;
  size?: number;
  check_sum?: string;
  sha256?: string;
}

export interface NewDataset {
  uid?: string;
  name?: string;
  storage_url?: string;
  expected_files?: number;
}

export interface DatasetRegisterRequest {
  datasets?: NewDataset[];
  command_id?: string;
}

export interface DatasetRegistered {
  datasets?: Dataset[];
}

export interface DatasetAddRequest {
  uid?: string;
  files?: NewFile[];
  command_id?: string;
}

export interface DatasetAdded {
  added?: number;
  first_idx?: number;
  files?: number;
  passed_over?: number;
  examples?: PassedOver[];
}

export interface PassedOver {
  file_name?: string;
  reason?: string;
}

export interface DatasetCollected {
  removed?: number;
  bytes?: number;
}

export interface DatasetScanRequest {
  uid?: string;
  command_id?: string;
}

export interface DatasetCloseRequest {
  uid?: string;
  force?: boolean;
  reason?: string;
  command_id?: string;
}

export interface DatasetOrder {
  uid?: string;
  reason?: string;
  command_id?: string;
}

export interface DatasetVerifyRequest extends DatasetOrder {
  wait_seconds?: number;
}

export interface DatasetVerified {
  status?: string;
  files?: number;
  looked_at?: number;
  missing?: number;
  corrupt?: number;
  unreadable?: number;
  examples?: PassedOver[];
}

export interface Dataset {
  dataset_id?: number;
  uid?: string;
  name?: string;
  status?: string;
  storage_url?: string;
  expected_files?: number;
  files?: number;
  files_available?: number;
  files_failed?: number;
  bytes?: number;
  complete?: boolean;
  producer_task?: string;
  create_time?: number;
  update_time?: number;
  closed_time?: number;
  remarks?: string;
  revision?: number;
}

export interface DatasetListRequest {
  page_size?: number;
  page_token?: string;
  newest_first?: boolean;
  status?: string[];
}

export interface DatasetList {
  datasets?: Dataset[];
  next_page_token?: string;
}

export interface DatasetFilesRequest {
  uid?: string;
  page_size?: number;
  page_token?: string;
  status?: string[];
}

export interface DatasetFile {
  uid?: string;
  dataset_uid?: string;
  idx?: number;
  file_name?: string;
  path?: string;
  size?: number;
  check_sum?: string;
  sha256?: string;
  status?: string;
  producer_job?: string;
  create_time?: number;
  update_time?: number;
  remarks?: string;
  revision?: number;
}

export interface FileList {
  files?: DatasetFile[];
  next_page_token?: string;
}
